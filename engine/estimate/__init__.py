"""From a crop to valence and arousal.

In the order of the data:

    class_centres       what valence and arousal mean here: those of each expression
    encoder             crop -> embedding, valence and arousal without support, expression
    comparer            corrects them by a support set, with one of several rules
    residual_gp         the Gaussian process of the default rule
    skipped_frames      values of frames in which a face is not measured
    hidden_mouth        whether the mouth is hidden, from the embedding
    caveats             blinks, talks and a hidden mouth, and the estimate in spite of them
    smoothing           over time
    drift               whether a face has left what its support set covers
    active_learning     which faces to label next
    label_convergence   whether more labels would help
    metrics             CCC, Pearson correlation, RMSE and sign agreement
"""

SMOOTHERS = {
    "one-euro": "mtclar.engine.estimate.smoothing:OneEuro",
    "exponential": "mtclar.engine.estimate.smoothing:Exponential",
    "kalman": "mtclar.engine.estimate.smoothing:Kalman",
    "none": "mtclar.engine.estimate.smoothing:Identity",
}
"""Name on the command line -> module and factory of a Smoother."""

DEFAULT_SMOOTHER = "one-euro"
