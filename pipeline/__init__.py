"""sweetspot: is there a convolutional network that is both faster and more accurate?"""

__version__ = "0.1.0"
