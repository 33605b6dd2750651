namespace S3dlio.Storage;

/// <summary>
/// Bytes of any length that the caller owns: a NumPy array, a tensor, a managed buffer. Spans and <see cref="Memory{T}"/> end at
/// 2 GiB and tensors do not, so this hands out slices of what is one contiguous
/// piece. The owner keeps the memory alive and in place until the call that got it is done.
/// </summary>
public abstract class LargeMemory
{
    /// <summary>Length in bytes.</summary>
    public abstract long Length { get; }

    /// <summary>The bytes [<paramref name="offset"/>, offset + <paramref name="length"/>), which lie within <see cref="Length"/>.</summary>
    public abstract Memory<byte> Slice(long offset, int length);

    /// <summary>The part [<paramref name="offset"/>, offset + <paramref name="length"/>) as a memory of its own.</summary>
    public LargeMemory Part(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return offset == 0 && length == Length ? this : new Window(this, offset, length);
    }

    public static LargeMemory From(Memory<byte> memory) => new Managed(memory);

    /// <summary>For payloads, which are only read.</summary>
    public static LargeMemory From(ReadOnlyMemory<byte> memory) =>
        new Managed(System.Runtime.InteropServices.MemoryMarshal.AsMemory(memory));

    sealed class Managed(Memory<byte> memory) : LargeMemory
    {
        public override long Length => memory.Length;

        public override Memory<byte> Slice(long offset, int length) => memory.Slice(checked((int)offset), length);
    }

    sealed class Window(LargeMemory whole, long start, long length) : LargeMemory
    {
        public override long Length => length;

        public override Memory<byte> Slice(long offset, int length)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + length, Length);
            return whole.Slice(start + offset, length);
        }
    }
}
