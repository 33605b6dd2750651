using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace S3dlio.IO;

/// <summary>
/// Native memory aligned for O_DIRECT, from a pool: it never moves and costs the garbage collector nothing. The renter returns it
/// back with <see cref="Return"/> in a finally: it has no finalizer, since a span of it may outlive the last reference to this.
/// </summary>
sealed unsafe class AlignedBuffer : MemoryManager<byte>
{
    /// <summary>A page, which is a multiple of every logical block size in use.</summary>
    public const int Alignment = 4096;

    /// <summary>Bytes of a pooled buffer.</summary>
    public const int PooledLength = 4 << 20;

    const int MostPooled = 8;

    const int HugePage = 2 << 20;

    static readonly ConcurrentBag<AlignedBuffer> Pool = [];

    byte* _start;

    /// <param name="length">Bytes, a multiple of <see cref="Alignment"/>.</param>
    public AlignedBuffer(int length)
    {
        Length = length;
        // the device's requests are made of pages: a huge one is told of at once, and pinned at once
        bool huge = length % HugePage == 0;
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)length, (nuint)(huge ? HugePage : Alignment));
        if (huge)
            Interop.UseHugePages(_start, (nuint)length);
    }

    public int Length { get; }

    public static AlignedBuffer Rent() => Pool.TryTake(out var buffer) ? buffer : new AlignedBuffer(PooledLength);

    /// <summary>Returns the buffer to the pool; it must not be used after this.</summary>
    public void Return()
    {
        if (Length == PooledLength && Pool.Count < MostPooled)
            Pool.Add(this);
        else
            ((IDisposable)this).Dispose();
    }

    /// <summary>True when the pinned memory can be read into or written from without a copy.</summary>
    public static bool IsAligned(in MemoryHandle pinned) => ((nuint)pinned.Pointer & (Alignment - 1)) == 0;

    public static int RoundDown(int length, int alignment) => length / alignment * alignment;

    public static long RoundUp(long length, int alignment) => (length + alignment - 1) / alignment * alignment;

    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_start == null, this);
        return new Span<byte>(_start, Length);
    }

    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (_start == null)
            return;
        NativeMemory.AlignedFree(_start);
        _start = null;
    }
}
