"""How the book is made: inputs, page JavaScript, wheel, execution, staging, Sphinx, publishing; one module each."""


class BuildError(Exception):
    """The build stops here; the message says what to mend and where."""
