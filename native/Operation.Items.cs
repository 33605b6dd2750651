using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Results of calls over many objects: each in memory of its own, so that keeping one does not keep all.</summary>
sealed partial class Operation
{
    ResultMemory?[] _items = [];

    public void ReserveItems(int count) => _items = new ResultMemory?[count];

    /// <summary>Memory for the item of that index; a retried item gets new memory.</summary>
    public LargeMemory AllocateItem(int index, long length)
    {
        var memory = new ResultMemory(length);
        Interlocked.Exchange(ref _items[index], memory)?.Dispose();
        return memory.Target;
    }

    /// <summary>A failed item has no bytes to hand out.</summary>
    public void DropItem(int index) => Interlocked.Exchange(ref _items[index], null)?.Dispose();

    /// <summary>The first <paramref name="count"/> items; they belong to the caller and are gone from here.</summary>
    public ResultMemory?[] TakeItems(int count)
    {
        var taken = new ResultMemory?[Math.Min(count, _items.Length)];
        for (int i = 0; i < taken.Length; i++)
            taken[i] = Interlocked.Exchange(ref _items[i], null);
        return taken;
    }

    void DisposeItems()
    {
        foreach (var item in TakeItems(_items.Length))
            item?.Dispose();
    }
}
