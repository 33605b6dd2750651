using S3dlio.Hashing;

namespace S3dlio.Transfer;

/// <summary>What the caller of a read wants to be compared; <see cref="ReadVerification"/> does it.</summary>
/// <param name="Expected">The CRC32C that the bytes must have; null: the one recorded with the object, where there is one.</param>
/// <param name="Validate">False: return the bytes without a comparison.</param>
/// <param name="Edges">True: verify all bytes of a range, for which the blocks at its two ends are read as a whole.</param>
/// <param name="Required">True: refuse bytes for which no checksum is recorded; a range is verified by the whole object where nothing
/// smaller is recorded.</param>
public readonly record struct Validation(Checksum? Expected, bool Validate = true, bool Edges = false, bool Required = false);
