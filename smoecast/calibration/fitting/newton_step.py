"""Newton's method for the four coefficients of a normal distribution, many points at once.

Symmetric 4 x 4 systems as two 2 x 2 blocks, of alpha and beta and of c and d, and what lies across.
"""

import torch
from torch import Tensor


def block_product(information: Tensor, vector: Tensor) -> Tensor:
    """Return the block-diagonal matrix (6, P) times the vector, shape (4, P)."""
    m11, m12, m22, s11, s12, s22 = information
    a, b, c, d = vector
    return torch.stack([m11 * a + m12 * b, m12 * a + m22 * b, s11 * c + s12 * d, s12 * c + s22 * d])


def newton_step(
    gradient: Tensor,
    curvature: Tensor,
    bend: Tensor,
    c_and_d: Tensor,
    damping: Tensor,
    scale_only: bool,
) -> Tensor:
    """Return the damped Newton step, shape (4, P) (Levenberg-Marquardt).

    Parameters
    ----------
    gradient, curvature, bend : Tensor
        As in `smoecast.calibration.fitting.crps_newton.State`. A bend below 0 counts as 0, so that
        the system stays positive definite.
    c_and_d : Tensor, shape (2, P)
        Where.
    damping : Tensor, shape (P,)
        By which share the diagonal is raised.
    scale_only : bool
        No step in alpha and beta.
    """
    c, d = c_and_d
    bent = bend.clamp(min=0.0)
    mean = _raise_diagonal(curvature[:3], damping)
    scale = _raise_diagonal(curvature[3:6] + bent * torch.stack([d * d, -c * d, c * c]), damping)
    if scale_only:
        step = _solve(scale, gradient[2:])
        return -torch.cat([torch.zeros_like(step), step])
    # alpha and beta eliminated: (scale - across' mean^-1 across) step = gradient - ...
    ac, ad, bc, bd = curvature[6:]
    by_c, by_d = _solve(mean, (ac, bc)), _solve(mean, (ad, bd))
    alone = _solve(mean, gradient[:2])
    left = (
        scale[0] - ac * by_c[0] - bc * by_c[1],
        scale[1] - ac * by_d[0] - bc * by_d[1],
        scale[2] - ad * by_d[0] - bd * by_d[1],
    )
    rest = gradient[2:] - torch.stack([ac, ad]) * alone[0] - torch.stack([bc, bd]) * alone[1]
    step = _solve(left, rest)
    return -torch.cat([alone - by_c * step[0] - by_d * step[1], step])


System = tuple[Tensor, Tensor, Tensor]


def _raise_diagonal(matrix: Tensor, damping: Tensor) -> System:
    """Return a 2 x 2 matrix, its diagonal raised by the damping; a tiny ridge for rank 1."""
    one, cross, two = matrix
    ridge = 1e-12 * (one + two) + 1e-300
    return one * (1.0 + damping) + ridge, cross, two * (1.0 + damping) + ridge


def _solve(matrix: System, right: tuple[Tensor, Tensor] | Tensor) -> Tensor:
    """Solve symmetric 2 x 2 systems, shape (2, P)."""
    one, cross, two = matrix
    determinant = one * two - cross * cross
    first, second = two * right[0] - cross * right[1], one * right[1] - cross * right[0]
    return torch.stack([first / determinant, second / determinant])
