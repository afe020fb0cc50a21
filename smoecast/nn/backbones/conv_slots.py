"""Where the convolutions of a network stand, by name, and what is put there."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from torch import nn

from smoecast.nn.backbones.blocks import LocalBias
from smoecast.nn.convolutions import SameConv2d

Place = Literal["first", "hidden", "last"]

MOST_PARAMETERS = 10_000_000_000
"""A larger network is refused: this one takes 40 GB before it has learned anything."""


@dataclass(frozen=True)
class ConvSlot:
    """A place for one convolution.

    Attributes
    ----------
    place : {"first", "hidden", "last"}
        First and last are the ones that see the inputs and give the outputs.
    in_channels, out_channels : int
        C and D of the convolution.
    grid : tuple of int
        (H, W) at this place; a U-Net has coarser ones inside.
    number : int
        Hidden convolutions are counted from 0, from inputs to outputs.
    block : int
        The block that a hidden convolution belongs to, counted from 0.
    """

    place: Place
    in_channels: int
    out_channels: int
    grid: tuple[int, int]
    number: int = 0
    block: int = 0

    @property
    def name(self) -> str:
        """The name that no other place of the network has."""
        return self.place if self.place != "hidden" else f"hidden.{self.number}"

    @property
    def names(self) -> frozenset[str]:
        """Every name that this place answers to, those of whole groups among them."""
        if self.place != "hidden":
            return frozenset({self.name, "ends", "all"})
        # of blocks of two convolutions, the odd numbers are the second ones
        group = {"alternate"} if self.number % 2 else set()
        return frozenset({self.name, f"block.{self.block}", "hidden", "all"} | group)


Convolution = Callable[[ConvSlot], nn.Module]
"""site -> layer (B, C, H, W) -> (B, D, H, W)."""

Special = Callable[[ConvSlot, int], nn.Module]
"""(site, kernel size) -> layer."""


class Convolutions:
    """Makes each convolution of a network: special where it was asked for, elsewhere plain.

    Parameters
    ----------
    layers : tuple of str
        Names of the places of special layers, as in `ConvSlot.names`.
    special : Special
        Makes them.
    kernel_size, first_kernel_size : int
        Of all convolutions but the first, and of the first.
    padding : str
        ``zeros``, or ``periodic`` in longitude with zeros in latitude.
    embedded : collection of {"first", "hidden", "last"}
        Places where a learned field is added to what the convolution makes, before anything else
        follows.

    Attributes
    ----------
    sites : list of Site
        Those made so far.
    parameters : int
        Learned values of those made so far.
    """

    def __init__(
        self,
        layers: tuple[str, ...],
        special: Special,
        *,
        kernel_size: int,
        first_kernel_size: int,
        padding: str,
        embedded: Collection[Place] = (),
    ) -> None:
        self.layers, self.special, self.padding = layers, special, padding
        self.embedded = embedded
        self.kernel_size, self.first_kernel_size = kernel_size, first_kernel_size
        self.sites: list[ConvSlot] = []
        self.parameters = 0

    def __call__(self, site: ConvSlot) -> nn.Module:
        """Make the layer of one place.

        Raises
        ------
        ValueError
            The kernel is so wide that it would wrap around the globe more than once, or the network
            has more than `MOST_PARAMETERS`.
        """
        size = self.first_kernel_size if site.place == "first" else self.kernel_size
        check_reach(size, site.grid, self.padding, site.name)
        self.sites.append(site)
        layer = self._make(site, size)
        if site.place in self.embedded:
            layer = nn.Sequential(layer, LocalBias(site.out_channels, site.grid))
        self.parameters += sum(parameter.numel() for parameter in layer.parameters())
        if self.parameters > MOST_PARAMETERS:
            raise ValueError(
                f"up to {site.name} there are {self.parameters:,} parameters, more than "
                f"{MOST_PARAMETERS:,}: take fewer or narrower layers, or fewer experts"
            )
        return layer

    def _make(self, site: ConvSlot, size: int) -> nn.Module:
        if not site.names.isdisjoint(self.layers):
            return self.special(site, size)
        return SameConv2d(
            site.in_channels, site.out_channels, kernel_size=size, padding=self.padding
        )

    def check_all_used(self, sized: tuple[str, ...] = ()) -> None:
        """Refuse names of places that the network, once built, turned out not to have.

        Parameters
        ----------
        sized : tuple of str
            Places that were given sizes of their own.

        Raises
        ------
        ValueError
            Naming the first of them, and the places there are.
        """
        known = frozenset[str]().union(*(site.names for site in self.sites)) | {"none"}
        for name in (*self.layers, *sized):
            if name not in known:
                hidden = [site for site in self.sites if site.place == "hidden"]
                blocks = {site.block for site in hidden}
                raise ValueError(
                    f"section smoe names {name}, but there are first, last and, counted from "
                    f"0, {len(hidden)} hidden convolutions in {len(blocks)} blocks"
                )


def check_reach(kernel_size: int, grid: tuple[int, int], padding: str, name: str) -> None:
    """Refuse a kernel that reaches farther than the padding can tell what lies there.

    Parameters
    ----------
    kernel_size : int
        Odd.
    grid : tuple of int
        (H, W).
    padding : str
        ``zeros``, ``periodic`` or ``polar``.
    name : str
        Of the place, for the message.

    Raises
    ------
    ValueError
        The kernel would wrap around the globe more than once; or with padding across the poles it
        reaches beyond the other pole, or no meridian lies opposite.
    """
    half = kernel_size // 2
    if padding != "zeros" and half > grid[1]:
        raise ValueError(
            f"a kernel of {kernel_size} points wraps around the {grid[1]} longitudes at {name} "
            "more than once: take a smaller kernel or fewer levels"
        )
    if padding == "polar" and half and (half > grid[0] or grid[1] % 2):
        raise ValueError(
            f"a kernel of {kernel_size} points cannot look across the poles of the {grid[0]} x "
            f"{grid[1]} points at {name}: take a smaller kernel, fewer levels, an even number of "
            "longitudes, or leave polar_padding out"
        )
