"""The tests; a package, as some distribution of others has put one of this name into site-packages."""
