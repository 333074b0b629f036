"""A registered model as a folder of static pages: its versions, its decisions, and its champion at work."""
