//! Tables → singular values and rank measures.
