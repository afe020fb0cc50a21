"""Self-attention between the members of an ensemble.

Follows Finn (2021), arXiv 2106.13924: members are compared as whole fields, one weight for each
pair and head, and each head is one channel; a shortcut keeps what came in. The ENS-10 benchmark
(Ashkboos et al. 2022, arXiv 2206.14786) has it with 16 heads. Ours: the comparison is a mean over
points, so that it means the same on every grid; the members are averaged at the end; members may
be missing.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

HEADS, WIDTH = 16, 32


class MemberAttention(nn.Module):
    """Every member takes from every other what it is like, beside a shortcut.

    Parameters
    ----------
    width : int
        Channels of a member.
    heads : int
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(width, heads, 1) for _ in range(3))
        self.project = nn.Conv2d(heads, width, 1)

    def forward(self, fields: Tensor, there: Tensor) -> Tensor:
        """Mix members (B M, width, H, W), those that are there (B, M), into the same shape."""
        shape = (*there.shape, -1, fields.shape[2] * fields.shape[3])
        # (B M, heads, H, W) -> (B, M, heads, H W)
        query, key, value = (
            layer(fields).view(shape) for layer in (self.query, self.key, self.value)
        )
        alike = torch.einsum("bmhp,bnhp->bhmn", query, key) / query.shape[-1]
        alike = alike.masked_fill(~there[:, None, None, :], -torch.inf)
        mixed = torch.einsum("bhmn,bnhp->bmhp", alike.softmax(dim=-1), value)
        # (B, M, heads, H W) -> (B M, heads, H, W)
        mixed = mixed.reshape(len(fields), -1, *fields.shape[2:])
        outputs: Tensor = functional.relu(fields + self.project(mixed))
        return outputs


class EnsembleTransformer(nn.Module):
    """Members in, two fields a target out; the order of the members does not matter.

    Parameters
    ----------
    in_channels, out_channels : int
        C of each member, and D.
    width, heads, blocks : int
        Channels of a member inside, heads, layers of attention.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int = WIDTH,
        heads: int = HEADS,
        blocks: int = 1,
    ) -> None:
        super().__init__()
        self.embed = nn.Conv2d(in_channels, width, 1)
        self.blocks = nn.ModuleList(MemberAttention(width, heads) for _ in range(blocks))
        self.last = nn.Conv2d(width, out_channels, 1)

    def forward(self, members: Tensor, there: Tensor) -> Tensor:
        """(B, M, C, H, W), and which are there (B, M) -> (B, D, H, W).

        A member that is not there must hold numbers; they change nothing.
        """
        fields = functional.relu(self.embed(members.flatten(0, 1)))  # (B M, width, H, W)
        for block in self.blocks:
            fields = block(fields, there)
        share = there.to(fields.dtype) / there.sum(dim=1, keepdim=True)  # (B, M)
        # (B M, width, H, W) -> (B, M, width, H, W) -> (B, width, H, W)
        apart = fields.view(*there.shape, *fields.shape[1:])
        pooled = torch.einsum("bmchw,bm->bchw", apart, share)
        outputs: Tensor = self.last(pooled)
        return outputs
