"""Names the regions that published data sets have masks of, and what they are."""

LUNG = "lung"
INFECTION = "infection"
LESIONS = {INFECTION: LUNG}  # each with the organ that it lies in
