"""How the book is made, one module a step: inputs, page JavaScript, wheel, execution, staging, site."""


class BuildError(Exception):
    """The build stops here; the message says what to mend and where."""
