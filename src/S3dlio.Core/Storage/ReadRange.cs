namespace S3dlio.Storage;

/// <summary>A byte range of an object and the memory that it is read into; up to 2 GiB.</summary>
/// <param name="Offset">First byte of the range.</param>
/// <param name="Target">Memory for its bytes; as long as the range.</param>
public readonly record struct ReadRange(long Offset, Memory<byte> Target)
{
    /// <summary>The byte behind the range.</summary>
    public long End => Offset + Target.Length;
}
