"""What a trial leaves behind: its record, ``result.json``, the one-page report, pictures."""
