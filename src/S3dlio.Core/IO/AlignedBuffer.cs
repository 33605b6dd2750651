using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace S3dlio.IO;

/// <summary>
/// Native memory aligned for O_DIRECT, from pools by length: it never moves, costs the garbage collector nothing, and sockets and devices
/// use it in place. Who rents it returns it once with <see cref="Return"/>, when nothing uses it any more: it has no finalizer, since a
/// span of it may outlive the last reference to this.
/// </summary>
sealed unsafe class AlignedBuffer : MemoryManager<byte>
{
    /// <summary>A page, which is a multiple of every logical block size in use.</summary>
    public const int Alignment = 4096;

    /// <summary>Bytes of a buffer for blocks of files.</summary>
    public const int BlockLength = 4 << 20;

    /// <summary>Of each length.</summary>
    const int MostPooled = 8;

    const int HugePage = 2 << 20;

    static readonly ConcurrentBag<AlignedBuffer> Blocks = [];
    static readonly ConcurrentDictionary<int, ConcurrentBag<AlignedBuffer>> Parts = new();

    readonly ConcurrentBag<AlignedBuffer>? _pool;

    byte* _start;

    /// <summary>One of no pool.</summary>
    /// <param name="length">Bytes, a multiple of <see cref="Alignment"/>.</param>
    public AlignedBuffer(int length)
        : this(length, mayBeHuge: true, null)
    {
    }

    AlignedBuffer(int length, bool mayBeHuge, ConcurrentBag<AlignedBuffer>? pool)
    {
        (Length, _pool) = (length, pool);
        // a device's requests are made of pages: a huge one is told of at once, and pinned at once
        bool huge = mayBeHuge && length % HugePage == 0;
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)length, (nuint)(huge ? HugePage : Alignment));
        if (huge)
            Interop.UseHugePages(_start, (nuint)length);
    }

    public int Length { get; }

    /// <summary>One of <see cref="BlockLength"/>, for blocks of files.</summary>
    public static AlignedBuffer Rent() =>
        Blocks.TryTake(out var buffer) ? buffer : new AlignedBuffer(BlockLength, mayBeHuge: true, Blocks);

    /// <summary>One for a part on its way to a service. It may stay almost empty, so its pages are small ones.</summary>
    public static AlignedBuffer RentPart(int length)
    {
        var pool = Parts.GetOrAdd(length, static _ => []);
        return pool.TryTake(out var buffer) ? buffer : new AlignedBuffer(length, mayBeHuge: false, pool);
    }

    /// <summary>Returns the buffer to its pool; it must not be used after this.</summary>
    public void Return()
    {
        if (_pool is { } pool && pool.Count < MostPooled)
            pool.Add(this);
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
