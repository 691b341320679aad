"""computeload: the energy butler of sites that run their own compute."""
