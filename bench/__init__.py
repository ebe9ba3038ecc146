"""What the product costs beside the raw work of its database, measured in one run. See README.md here."""
