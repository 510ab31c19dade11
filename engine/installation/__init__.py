"""What this program runs on: the processor (`machine`), optional packages (`extras`), the commit (`build_info`)."""
