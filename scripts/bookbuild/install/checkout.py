# This copy of the book is not published anywhere, so there is nothing to download $package from.
import importlib.util

if importlib.util.find_spec("$package") is None:
    print("$package is not installed here. From a checkout of the book: pip install PATH-OF-THE-CHECKOUT")
