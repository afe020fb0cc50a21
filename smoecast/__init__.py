"""smoecast: weather forecasting with Spatial Mixture-of-Experts networks.

Importing the package loads neither torch nor xarray; import the module you need.
"""

__version__ = "0.1.0"
