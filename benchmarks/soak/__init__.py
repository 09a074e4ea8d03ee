"""What breaks under kills, damaged files and load: counted, and written to docs/reliability.md."""
