namespace S3dlio.Tensors;

/// <summary>A tensor that is to be written.</summary>
/// <param name="Name">Its key in the file.</param>
/// <param name="DType">The type of its elements.</param>
/// <param name="Shape">Its dimensions, each ≥ 0; the data is in C order.</param>
public sealed record TensorSpec(string Name, DType DType, IReadOnlyList<long> Shape);
