"""The party of a US representative by 16 votes."""
