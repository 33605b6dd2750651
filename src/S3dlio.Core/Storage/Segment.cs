namespace S3dlio.Storage;

/// <summary>A stretch of an object and the memory that it is read into.</summary>
/// <param name="Offset">Where it begins in the object.</param>
/// <param name="Target">Where its bytes go; as long as the stretch.</param>
public readonly record struct Segment(long Offset, Memory<byte> Target)
{
    /// <summary>Where it ends in the object.</summary>
    public long End => Offset + Target.Length;
}
