"""The command line of a tool or an experiment: its docstring is its help."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter


def parser_of(doc: str | None) -> ArgumentParser:
    """A parser of arguments whose help is that docstring as it is written."""
    return ArgumentParser(description=doc, formatter_class=RawDescriptionHelpFormatter)
