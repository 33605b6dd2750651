using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace S3dlio.Table;

/// <summary>A row that has to be read from a file.</summary>
/// <param name="Position">Of its key in the batch.</param>
/// <param name="Shard">Of its key.</param>
/// <param name="Location">In the shard.</param>
/// <param name="Segment">Number of the file.</param>
/// <param name="Offset">Of the row in the file.</param>
readonly record struct RowMiss(int Position, int Shard, long Location, int Segment, long Offset)
{
    /// <summary>Where the row lies; what a place has never changes.</summary>
    public long Place => PageFiles.PlaceOf(Segment, Offset);
}

/// <summary>
/// A part of the table: an index and pages, numbered as they are made. A new row goes to the open page, the last one; rows of a page in
/// memory change in place, rows that lie in a file only are copied to the end to be changed. Everything here is used under
/// <see cref="Gate"/>, unless the table's gate is closed.
/// </summary>
sealed unsafe partial class Shard(int number, RowLayout layout, PageArena arena, long expected) : IDisposable
{
    const int IndexAhead = 12, RowAhead = 6;

    public Lock Gate { get; } = new();

    public int Number => number;

    public KeyIndex Index { get; } = new(expected);

    /// <summary>Keys deleted since the last checkpoint took them, with the location from which on a row of the key is a new one.</summary>
    public List<(long Key, long Location)> Deletions { get; set; } = [];

    public RowCache? Cache { get; set; }

    /// <summary>Who gets a row; null: every key at once.</summary>
    public Admission? Admission { get; set; }

    /// <summary>Whether a gradient of the key is for nothing: it has no row and was not seen often enough.</summary>
    public bool IsRefused(ulong hash, long key) =>
        Admission is not null && Index.Find(hash, key) == KeyIndex.None && !Admission.IsAdmitted(hash);

    /// <summary>The row's bytes in memory, or null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* RowAt(long location)
    {
        byte* page = (byte*)_memory[(location >> layout.PageShift) - _first];
        return page == null ? null : page + layout.RowsOffset + ((location & (layout.RowsPerPage - 1)) * layout.Stride);
    }

    /// <summary>The row where it is in memory; empty where it lies in a file only.</summary>
    public ReadOnlySpan<byte> InMemory(long location) => RowAt(location) is var row && row != null ? new(row, layout.Stride) : default;

    /// <summary>
    /// Copies rows to the places of their keys. The group of a key and then its row are asked for some keys ahead, so that many waits for
    /// memory run at once.
    /// </summary>
    public void Lookup(
        ReadOnlySpan<long> keys, ReadOnlySpan<ulong> hashes, ReadOnlySpan<int> order, Span<byte> rows, Span<byte> found,
        Initializer initial, List<RowMiss> misses)
    {
        nint* ring = stackalloc nint[RowAhead];
        int bytes = layout.ValueBytes, lines = Math.Min(bytes, 1024);
        for (int i = 0; i < Math.Min(IndexAhead, order.Length); i++)
            Index.Prefetch(hashes[order[i]]);
        for (int i = 0; i < order.Length + RowAhead; i++)
        {
            if (i >= RowAhead)
            {
                int position = order[i - RowAhead];
                byte* from = (byte*)ring[i % RowAhead];
                if (from != null)
                    new ReadOnlySpan<byte>(from, bytes).CopyTo(rows.Slice(position * bytes, bytes));
            }
            if (i >= order.Length)
                continue;
            if (i + IndexAhead < order.Length)
                Index.Prefetch(hashes[order[i + IndexAhead]]);
            int at = order[i];
            ring[i % RowAhead] = (nint)Resolve(keys[at], hashes[at], at, rows.Slice(at * bytes, bytes), found, initial, misses);
            if (Sse.IsSupported)
            {
                byte* row = (byte*)ring[i % RowAhead];
                for (int line = 0; line < lines; line += 64)
                    Sse.Prefetch0(row + line);
            }
        }
    }

    /// <summary>The row to copy; null when it was filled, or noted as a miss.</summary>
    byte* Resolve(long key, ulong hash, int position, Span<byte> to, Span<byte> found, Initializer initial, List<RowMiss> misses)
    {
        long location = Index.Find(hash, key);
        if (!found.IsEmpty)
            found[position] = location == KeyIndex.None ? (byte)0 : (byte)1;
        if (location == KeyIndex.None)
        {
            RowNumbers.Initial(initial, key, to, layout.Type);
            return null;
        }
        byte* row = RowAt(location);
        if (row == null && Cache is not null)
            row = Cache.Find(PlaceOfRow(location));
        if (row == null)
            misses.Add(MissOf(position, location));
        return row;
    }

    /// <summary>
    /// The row of a key, to be changed: where it is while its page stays in memory, else a copy at the end. A key without a row gets one,
    /// whose bytes are the caller's to write.
    /// </summary>
    /// <param name="hash">Of the key.</param>
    /// <param name="key">The key.</param>
    /// <param name="plan">Has the row where it lies in a file only.</param>
    /// <param name="position">Of the key in the plan.</param>
    /// <param name="isNew">The key had none.</param>
    /// <param name="isCopy">The row was copied, to the end or for a checkpoint under way.</param>
    public Span<byte> Writable(ulong hash, long key, BatchPlan plan, int position, out bool isNew, out bool isCopy)
    {
        long location = Index.Find(hash, key);
        (isNew, isCopy) = (location == KeyIndex.None, false);
        if (isNew)
        {
            var added = new Span<byte>(Append(key, out long at), layout.Stride);
            Index.Set(hash, key, at);
            return added;
        }
        byte* row = RowAt(location);
        if (row != null && (_leaving == 0 || !StateOf(location).IsLeaving))
        {
            if (*MomentOf(row) != Moment)
                isCopy = Touch(location, row);
            return new Span<byte>(row, layout.Stride);
        }
        isCopy = true;
        var old = row != null ? new ReadOnlySpan<byte>(row, layout.Stride) : plan.Fetched(position, PlaceOfRow(location));
        return CopyToEnd(hash, key, location, old);
    }

    /// <summary>Takes the key's row away and notes it, since files may have older rows of the key.</summary>
    /// <returns>False when there was none.</returns>
    public bool Delete(ulong hash, long key)
    {
        long location = Index.Remove(hash, key);
        if (location == KeyIndex.None)
            return false;
        Forget(location);
        Deletions.Add((key, Tail));
        return true;
    }

    /// <summary>Copies a row to the end, unless the key has another by now or the row has changed.</summary>
    /// <param name="key">Of the row.</param>
    /// <param name="location">Where the row was.</param>
    /// <param name="row">As it was read, where it lies in a file.</param>
    /// <param name="place">The page's when it was read.</param>
    public void Move(long key, long location, ReadOnlySpan<byte> row, long place)
    {
        ulong hash = KeyIndex.Hash(key);
        if (Index.Find(hash, key) != location)
            return;
        byte* now = RowAt(location);
        if (now != null)
            row = new ReadOnlySpan<byte>(now, layout.Stride);
        else if (StateOf(location).Place != place)
            return;
        CopyToEnd(hash, key, location, row);
    }

    Span<byte> CopyToEnd(ulong hash, long key, long location, ReadOnlySpan<byte> old)
    {
        byte* row = Append(key, out long end);
        old.CopyTo(new Span<byte>(row, layout.Stride));
        *MomentOf(row) = Moment;
        Index.Set(hash, key, end);
        Forget(location);
        return new Span<byte>(row, layout.Stride);
    }

    /// <summary>Calls for each live row of a page in memory.</summary>
    public void ForEachLive(long page, EmbeddingTable.RowVisitor visit)
    {
        var keys = KeysOf(page);
        for (int row = 0; row < keys.Length; row++)
        {
            long location = (page << layout.PageShift) + row;
            if (Index.Find(KeyIndex.Hash(keys[row]), keys[row]) == location)
                visit(keys[row], location, new ReadOnlySpan<byte>(RowAt(location), layout.Stride));
        }
    }

    /// <summary>Notes the rows of a plan that lie in files only and were not fetched yet; a row of the cache is fetched here.</summary>
    public void FindMisses(ReadOnlySpan<long> keys, BatchPlan plan)
    {
        var order = plan.Of(number);
        for (int i = 0; i < order.Length; i++)
        {
            if (i + IndexAhead < order.Length)
                Index.Prefetch(plan.Hashes[order[i + IndexAhead]]);
            int position = order[i];
            long location = Index.Find(plan.Hashes[position], keys[position]);
            if (location == KeyIndex.None || RowAt(location) != null)
                continue;
            long place = PlaceOfRow(location);
            if (plan.HasFetched(position, place))
                continue;
            byte* row = Cache is null ? null : Cache.Find(place);
            if (row != null)
                plan.Fetch(position, place, new ReadOnlySpan<byte>(row, layout.Stride));
            else
                plan.Misses.Add(MissOf(position, location));
        }
    }

    public void PrefetchIndex(ulong hash) => Index.Prefetch(hash);

    public void PrefetchRow(ulong hash, long key)
    {
        if (!Sse.IsSupported)
            return;
        long location = Index.Find(hash, key);
        if (location == KeyIndex.None)
            return;
        byte* row = RowAt(location);
        for (int line = 0; row != null && line < Math.Min(layout.Stride, 1024); line += 64)
            Sse.Prefetch0(row + line);
    }

    public void Dispose()
    {
        Index.Dispose();
        Cache?.Dispose();
    }
}
