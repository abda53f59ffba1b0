"""Dense oracles, written from the mathematics with explicit loops over rows.

Nothing of the package is used here. Layers are lists of arrays ``V_l`` of shape
``(1 + n_{l-1}, n_l)`` with the intercepts in row 0; parameters are flattened layer by
layer, row by row. Losses go by the names "bernoulli", "multinomial" and "squared".
"""

import numpy as np


def sigmoid(z):
    """Logistic function."""
    return 1 / (1 + np.exp(-z))


#: Value and derivative of each hidden activation.
ACTIVATIONS = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "logistic": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.where(z > 0, z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "leaky_relu": (
        lambda z: np.where(z > 0, z, 0.01 * z),
        lambda z: np.where(z > 0, 1.0, 0.01),
    ),
    "silu": (
        lambda z: z * sigmoid(z),
        lambda z: sigmoid(z) + z * sigmoid(z) * (1 - sigmoid(z)),
    ),
}


def flatten(layers):
    """Return layers as one flat vector."""
    return np.concatenate([V.ravel() for V in layers])


def unflatten(theta, shapes):
    """Return a flat vector as layers."""
    layers, start = [], 0
    for rows, columns in shapes:
        layers.append(theta[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return layers


def unit_columns(shapes, direction):
    """Return flat directions in rows, each the column of one unit and zero elsewhere."""
    rows = []
    for l, D in enumerate(unflatten(direction, shapes)):
        for u in range(D.shape[1]):
            parts = [np.zeros(shape) for shape in shapes]
            parts[l][:, u] = D[:, u]
            rows.append(flatten(parts))
    return np.array(rows)


def forward_row(layers, activations, x):
    """Return ``z_1 .. z_L`` and ``ã_0 .. ã_{L-1}`` of one row."""
    z, tilde = [], [np.concatenate([[1.0], x])]
    for l, V in enumerate(layers):
        z.append(tilde[l] @ V)
        if l < len(activations):
            value, _ = ACTIVATIONS[activations[l]]
            tilde.append(np.concatenate([[1.0], value(z[l])]))
    return z, tilde


def outputs(layers, activations, X):
    """Return ``Z_L`` of all rows."""
    return np.array([forward_row(layers, activations, x)[0][-1] for x in X])


def softmax(z):
    """Softmax of one row."""
    e = np.exp(z - z.max())
    return e / e.sum()


def loss_row(loss, z, y):
    """Return the loss of one row with outputs `z`."""
    if loss == "bernoulli":
        return sum(
            np.log1p(np.exp(-(2 * y_k - 1) * z_k)) for z_k, y_k in zip(z, y, strict=True)
        )
    if loss == "multinomial":
        return -np.log(softmax(z)[y])
    return 0.5 * sum((z_k - y_k) ** 2 for z_k, y_k in zip(z, y, strict=True))


def loss_hessian(loss, z):
    """Return the second derivative of the loss of one row, (K, K)."""
    if loss == "bernoulli":
        return np.diag([sigmoid(z_k) * sigmoid(-z_k) for z_k in z])
    if loss == "squared":
        return np.eye(len(z))
    p = softmax(z)
    H = -np.outer(p, p)
    for k in range(len(p)):
        H[k, k] = p[k] * np.delete(p, k).sum()
    return H


def cost(loss, layers, activations, X, targets, weights):
    """Return the mean loss under row weights of any sum."""
    losses = [
        loss_row(loss, z, y)
        for z, y in zip(outputs(layers, activations, X), targets, strict=True)
    ]
    return np.dot(weights, losses) / np.sum(weights)


def objective(loss, layers, activations, X, targets, weights, alpha):
    """Return cost plus penalty; intercepts are free."""
    penalty = sum((V[1:] ** 2).sum() for V in layers)
    return cost(loss, layers, activations, X, targets, weights) + alpha / 2 * penalty


def numerical_gradient(f, theta, h=1e-6):
    """Return the gradient of a function of a vector, by central differences."""
    gradient = np.zeros_like(theta)
    for i in range(len(theta)):
        e = np.zeros_like(theta)
        e[i] = h
        gradient[i] = (f(theta + e) - f(theta - e)) / (2 * h)
    return gradient


def output_jacobians(layers, activations, x):
    """Return ``J_l = ∂z_L / ∂z_l`` of one row, (K, n_l) for each layer."""
    z, _ = forward_row(layers, activations, x)
    J = [np.eye(layers[-1].shape[1])]
    for l in range(len(layers) - 1, 0, -1):
        _, derivative = ACTIVATIONS[activations[l - 1]]
        J.insert(0, J[0] @ layers[l][1:].T @ np.diag(derivative(z[l - 1])))
    return J


def parameter_jacobian(layers, activations, x):
    """Return ``∂z_L / ∂θ`` of one row, (K, size)."""
    _, tilde = forward_row(layers, activations, x)
    J = output_jacobians(layers, activations, x)
    K = layers[-1].shape[1]
    return np.hstack(
        [np.array([np.outer(a, J_l[k]).ravel() for k in range(K)])
         for a, J_l in zip(tilde, J, strict=True)]
    )  # fmt: skip


def gauss_newton(loss, layers, activations, X, weights, alpha):
    """Return the dense Gauss-Newton matrix of the objective, (size, size)."""
    G = np.diag(alpha * flatten([_penalised(V) for V in layers]))
    for x, w in zip(X, np.asarray(weights) / np.sum(weights), strict=True):
        z, _ = forward_row(layers, activations, x)
        J = parameter_jacobian(layers, activations, x)
        G += w * J.T @ loss_hessian(loss, z[-1]) @ J
    return G


def diagonal_blocks(matrix, layers):
    """Return the diagonal block of each layer of a (size, size) matrix."""
    blocks, start = [], 0
    for V in layers:
        stop = start + V.size
        blocks.append(matrix[start:stop, start:stop])
        start = stop
    return blocks


def curvature_weights(loss, layers, activations, X, weights):
    """Return row weights of sum 1 in proportion to ``w tr H``."""
    traces = [
        np.trace(loss_hessian(loss, forward_row(layers, activations, x)[0][-1]))
        for x in X
    ]
    weighted = np.asarray(weights) * traces
    return weighted / weighted.sum()


def input_factors(loss, layers, activations, X, weights):
    """Return ``S_l``, the mean of ``ã ã'`` before each layer.

    Rows count by ``w tr H``; before the first of several layers by ``w`` alone.
    """
    plain = np.asarray(weights) / np.sum(weights)
    curved = curvature_weights(loss, layers, activations, X, weights)
    S = [np.zeros((len(V), len(V))) for V in layers]
    for i, x in enumerate(X):
        tilde = forward_row(layers, activations, x)[1]
        for l, a in enumerate(tilde):
            w = plain if l == 0 and len(layers) > 1 else curved
            S[l] += w[i] * np.outer(a, a)
    return S


def output_factors(loss, layers, activations, X, weights):
    """Return ``Γ_l``, the mean of ``J_l' H J_l`` after each layer."""
    gamma = [np.zeros((V.shape[1], V.shape[1])) for V in layers]
    for x, w in zip(X, np.asarray(weights) / np.sum(weights), strict=True):
        H = loss_hessian(loss, forward_row(layers, activations, x)[0][-1])
        J = output_jacobians(layers, activations, x)
        for gamma_l, J_l in zip(gamma, J, strict=True):
            gamma_l += w * J_l.T @ H @ J_l
    return gamma


def prediction_error(loss, z, y):
    """Return P - Y of one row."""
    if loss == "bernoulli":
        return np.array([sigmoid(z_k) - y_k for z_k, y_k in zip(z, y, strict=True)])
    if loss == "squared":
        return z - y
    return softmax(z) - np.eye(len(z))[y]


def thread_directions(
    loss, layers, activations, X, targets, weights, ridge=None, updated=0.0
):
    """Return the steps ``D_l`` of the thread's equations, and the errors ``E_l``.

    With `ridge` λ the joint equation, literally by ``pinv([Ã I])``: of all D and C with
    ``Ã D + C = -E`` those of least ``λ ‖D‖² + Σ w ‖c‖²``. Without, one pseudo-inverse per
    layer, and ``W + updated D`` passes the error down. No prediction is clipped.
    """
    passes = [forward_row(layers, activations, x) for x in X]
    E = np.array(
        [np.linalg.pinv(loss_hessian(loss, z[-1])) @ prediction_error(loss, z[-1], y)
         for (z, _), y in zip(passes, targets, strict=True)]
    )  # fmt: skip
    root = np.sqrt(weights)[:, None]
    steps, errors = [], []
    for l in range(len(layers) - 1, -1, -1):
        tilde, W = np.array([a[l] for _, a in passes]), layers[l][1:]
        if ridge is None:
            D = -np.linalg.pinv(root * tilde, rcond=1e-12) @ (root * E)
            passed = E @ np.linalg.pinv(W + updated * D[1:])
        else:
            literal = np.hstack([tilde / np.sqrt(ridge), np.diag(1 / root[:, 0])])
            both = -np.linalg.pinv(literal) @ E
            D, C = both[: len(layers[l])] / np.sqrt(ridge), both[len(layers[l]) :] / root
            passed = -C @ np.linalg.pinv(W)
        steps.insert(0, D)
        errors.insert(0, E)
        if l:
            _, derivative = ACTIVATIONS[activations[l - 1]]
            slope = derivative(np.array([z[l - 1] for z, _ in passes]))
            sign = np.where(slope < 0, -1, 1)
            E = passed / (sign * np.maximum(np.abs(slope), 2.0**-20))
    return steps, errors


def _penalised(V):
    """Return ones where `V` holds weights and zeros where it holds intercepts."""
    mask = np.ones_like(V)
    mask[0] = 0
    return mask
