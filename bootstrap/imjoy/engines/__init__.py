"""The engines of this machine: started, found, asked, opened in a browser, stopped, and the ports that they take."""
