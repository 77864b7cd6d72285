"""What the regions are that published data sets have masks of."""

LUNG = "lung"
INFECTION = "infection"
LESIONS = {INFECTION: LUNG}  # each with the organ that it lies in
