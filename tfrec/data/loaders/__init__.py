"""One module a data set, or a family of them: from its official files to `Interactions`."""
