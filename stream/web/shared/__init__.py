"""Style sheet, icon and JavaScript modules that two or more pages use; served under `/shared/`."""
