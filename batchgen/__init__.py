"""Turn a table of prompts into a ZIP of images and a table of what each one cost."""
