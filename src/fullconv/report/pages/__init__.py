"""The pages of a report, one file each; `page` fills their templates."""
