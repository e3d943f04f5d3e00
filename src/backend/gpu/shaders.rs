//! The shaders' text. The main file comes first, so that line numbers in messages are its own; the fragments that it
//! shares with others (`shaders/common/`) follow.

/// One shader: a file and its fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shader {
    /// The file's stem; for products, with the family.
    pub name: &'static str,
    /// WGSL.
    pub source: &'static str,
}

/// A shader out of files in `shaders/`.
macro_rules! shader {
    ($name:literal, $($file:literal),+) => {
        Shader { name: $name, source: concat!($(include_str!(concat!("../../../shaders/", $file))),+) }
    };
}

/// Fully connected layers, for GPUs.
pub const LINEAR_TILED: Shader = shader!(
    "linear/tiled",
    "linear.wgsl",
    "common/item.wgsl",
    "common/step.wgsl",
    "common/parts.wgsl",
    "common/product.wgsl",
    "common/rows_in_order.wgsl",
    "common/product_step.wgsl",
    "common/product_tiled.wgsl",
    "common/linear_parts.wgsl"
);
/// Fully connected layers, for CPU drivers.
pub const LINEAR_ROWS: Shader = shader!(
    "linear/rows",
    "linear.wgsl",
    "common/step.wgsl",
    "common/product.wgsl",
    "common/rows_in_order.wgsl",
    "common/product_step.wgsl",
    "common/product_rows.wgsl"
);
/// Fully connected layers, for CPU drivers with subgroups of eight.
pub const LINEAR_LANES: Shader = shader!(
    "linear/lanes",
    "linear.wgsl",
    "common/step.wgsl",
    "common/product.wgsl",
    "common/rows_in_order.wgsl",
    "common/product_step.wgsl",
    "common/product_lanes.wgsl"
);
/// Factors of the tables, for GPUs.
pub const FACTOR_TILED: Shader = shader!(
    "factor/tiled",
    "factor.wgsl",
    "common/tables.wgsl",
    "common/item.wgsl",
    "common/step.wgsl",
    "common/parts.wgsl",
    "common/product.wgsl",
    "common/rows_in_order.wgsl",
    "common/product_step.wgsl",
    "common/product_tiled.wgsl",
    "common/factor_parts.wgsl"
);
/// Factors of the tables, for CPU drivers.
pub const FACTOR_ROWS: Shader = shader!(
    "factor/rows",
    "factor.wgsl",
    "common/tables.wgsl",
    "common/step.wgsl",
    "common/parts.wgsl",
    "common/product.wgsl",
    "common/rows_in_order.wgsl",
    "common/product_step.wgsl",
    "common/product_rows.wgsl"
);
/// Factors of the tables, for CPU drivers with subgroups of eight.
pub const FACTOR_LANES: Shader = shader!(
    "factor/lanes",
    "factor.wgsl",
    "common/tables.wgsl",
    "common/step.wgsl",
    "common/parts.wgsl",
    "common/product.wgsl",
    "common/rows_in_order.wgsl",
    "common/product_step.wgsl",
    "common/product_lanes.wgsl"
);
/// A gather and a factor in one, for GPUs; CPU drivers run the two by themselves.
pub const EMBEDDING_TILED: Shader = shader!(
    "embedding/tiled",
    "embedding.wgsl",
    "common/tables.wgsl",
    "common/step.wgsl",
    "common/product.wgsl",
    "common/product_step.wgsl",
    "common/product_tiled.wgsl"
);
/// Unique rows of the tables.
pub const GATHER: Shader = shader!("gather", "gather.wgsl", "common/item.wgsl", "common/unique_rows.wgsl");
/// Sums of bags.
pub const POOL_ITEMS: Shader = shader!("pool/items", "pool.wgsl", "common/item.wgsl", "common/pool_items.wgsl");
/// Sums of bags, for GPUs.
pub const POOL_TOGETHER: Shader = shader!(
    "pool/tiled",
    "pool.wgsl",
    "common/item.wgsl",
    "common/pool_together.wgsl"
);
/// Dot products of the feature vectors.
pub const INTERACTION_ITEMS: Shader = shader!(
    "interaction/items",
    "interaction.wgsl",
    "common/item.wgsl",
    "common/interaction_items.wgsl"
);
/// Dot products of the feature vectors, for CPU drivers with subgroups of eight.
pub const INTERACTION_LANES: Shader = shader!("interaction/lanes", "interaction.wgsl", "common/interaction_lanes.wgsl");
/// The feature vectors side by side.
pub const CONCAT: Shader = shader!("concat", "concat.wgsl", "common/item.wgsl");
/// Loss and gradient of the logit.
pub const LOSS: Shader = shader!("loss", "loss.wgsl");
/// A step of the touched rows.
pub const UPDATE_ROWS: Shader = shader!(
    "update_rows",
    "update_rows.wgsl",
    "common/item.wgsl",
    "common/unique_rows.wgsl",
    "common/step.wgsl"
);
/// Gram matrices of the tables, for GPUs.
pub const GRAM_TILED: Shader = shader!(
    "gram/tiled",
    "gram.wgsl",
    "common/product.wgsl",
    "common/rows_in_order.wgsl",
    "common/product_tiled.wgsl"
);
/// Gram matrices of the tables, for CPU drivers.
pub const GRAM_ROWS: Shader = shader!(
    "gram/rows",
    "gram.wgsl",
    "common/product.wgsl",
    "common/rows_in_order.wgsl",
    "common/product_rows.wgsl"
);
/// Gram matrices of the tables, for CPU drivers with subgroups of eight.
pub const GRAM_LANES: Shader = shader!(
    "gram/lanes",
    "gram.wgsl",
    "common/product.wgsl",
    "common/rows_in_order.wgsl",
    "common/product_lanes.wgsl"
);

/// Every shader, for the tests.
pub const ALL: [Shader; 18] = [
    LINEAR_TILED,
    LINEAR_ROWS,
    LINEAR_LANES,
    FACTOR_TILED,
    FACTOR_ROWS,
    FACTOR_LANES,
    EMBEDDING_TILED,
    GATHER,
    POOL_ITEMS,
    POOL_TOGETHER,
    INTERACTION_ITEMS,
    INTERACTION_LANES,
    CONCAT,
    LOSS,
    UPDATE_ROWS,
    GRAM_TILED,
    GRAM_ROWS,
    GRAM_LANES,
];
