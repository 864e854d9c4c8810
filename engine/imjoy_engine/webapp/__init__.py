"""The web app: which npm packages it is made of, how they are fetched, and our own pages."""
