using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace S3dlio.Storage.Remote;

/// <summary>
/// Native memory for a part on its way: it costs the garbage collector nothing and the socket reads from it in place. Whoever rents one
/// returns it once, when nothing reads from it any more.
/// </summary>
sealed unsafe class PooledBuffer : MemoryManager<byte>
{
    const int MostPooled = 8;

    static readonly ConcurrentDictionary<int, ConcurrentBag<PooledBuffer>> Pools = new();

    byte* _start;

    PooledBuffer(int length)
    {
        Length = length;
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)length, 4096);
    }

    public int Length { get; }

    public static PooledBuffer Rent(int length) =>
        Pools.TryGetValue(length, out var pool) && pool.TryTake(out var buffer) ? buffer : new PooledBuffer(length);

    public void Return()
    {
        var pool = Pools.GetOrAdd(Length, static _ => []);
        if (pool.Count < MostPooled)
            pool.Add(this);
        else
            ((IDisposable)this).Dispose();
    }

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
        NativeMemory.AlignedFree(_start);
        _start = null;
    }
}
