"""Segments lungs and COVID-19 infection in chest X-rays and CT, and tells honestly which model is better."""

__version__ = "0.2.0"
