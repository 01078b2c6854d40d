"""See a trial: what is worth seeing as plain geometry, a page in the browser, and markers for rviz2."""
