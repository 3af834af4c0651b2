"""Reading HDF5 in a process of its own: a damaged file can make the library crash or never return."""
