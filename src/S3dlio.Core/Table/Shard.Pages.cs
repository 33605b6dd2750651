using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using S3dlio.Hashing;

namespace S3dlio.Table;

/// <summary>What is known of a page beside its memory.</summary>
unsafe struct PageState
{
    /// <summary>Where it lies in a file, as it was when it was written last; <see cref="Shard.NoPlace"/> before.</summary>
    public long Place;

    /// <summary>Rows as they were when the checkpoint under way began, of those that changed since; null: none.</summary>
    public byte* Before;

    public int Count, Live;

    /// <summary>The moment of the last change, and that up to which its file has changes; 0 for a page that is as its file.</summary>
    public uint Changed, Written;

    /// <summary>The moment of the last checkpoint that needs nothing more of the page.</summary>
    public uint Saved;

    public byte Misses;

    /// <summary>It is about to leave memory: its rows do not change any more.</summary>
    public bool IsLeaving;
}

/// <summary>
/// The pages. Time is counted in moments: each checkpoint ends one. A row in memory has, in place of its checksum, the moment of its last
/// change. While a checkpoint is under way, the first change of a row that it needs and has not written yet keeps the row as it was: so
/// rows change in place, and a checkpoint is written beside them.
/// </summary>
sealed unsafe partial class Shard
{
    const int RowsBeforePage = 4;

    public const long NoPlace = -1;

    nint[] _memory = new nint[16];
    PageState[] _pages = new PageState[16];
    long _hand, _first, _snapshotPages;
    int _leaving;

    /// <summary>The moment that the checkpoint under way ended, 0 where none is.</summary>
    uint _snapshot;

    /// <summary>Memory of rows as they were: chunks, the next free record, and where the last chunk is empty.</summary>
    readonly List<nint> _chunks = [];
    byte* _free, _chunkAt, _chunkEnd;

    /// <summary>Pages below this number have no row and lie in no file.</summary>
    public long First => _first;

    /// <summary>Pages that were made; the number of the next one.</summary>
    public long Pages { get; private set; }

    /// <summary>Pages below this number take no new rows.</summary>
    public long ClosedBelow { get; private set; }

    public long MemoryPages { get; private set; }

    /// <summary>Now, in moments.</summary>
    public uint Moment { get; set; } = 1;

    /// <summary>Where the next row will go.</summary>
    public long Tail => IsOpen ? ((Pages - 1) << layout.PageShift) + State(Pages - 1).Count : Pages << layout.PageShift;

    bool IsOpen => Pages > ClosedBelow && State(Pages - 1).Count < layout.RowsPerPage;

    int RecordBytes => sizeof(nint) + sizeof(long) + layout.Stride;

    public int CountOf(long page) => State(page).Count;

    public int LiveOf(long page) => State(page).Live;

    public long PlaceOf(long page) => State(page).Place;

    public int[] Live()
    {
        var live = new int[Pages - _first];
        for (int i = 0; i < live.Length; i++)
            live[i] = _pages[i].Live;
        return live;
    }

    /// <summary>So many rows of the page were asked for that it is better to have all of it.</summary>
    public bool IsWanted(long page) => State(page).Misses >= RowsBeforePage && !IsInMemory(page);

    public bool IsInMemory(long page) => _memory[page - _first] != 0;

    /// <summary>Whether its file, if there is one, lacks changes.</summary>
    public bool IsChanged(long page) => State(page) is var state && state.Changed > state.Written;

    /// <summary>Whether the checkpoint under way has to write the page.</summary>
    public bool IsPending(long page) =>
        _snapshot != 0 && page < _snapshotPages && IsInMemory(page) && State(page).Saved != _snapshot && IsChanged(page);

    /// <summary>The first page from <paramref name="page"/> on that the checkpoint under way has to write; -1: none.</summary>
    public long NextPending(long page)
    {
        for (page = Math.Max(page, _first); page < _snapshotPages; page++)
        {
            if (IsPending(page))
                return page;
        }
        return -1;
    }

    /// <summary>Ends a moment: what the rows are now is the checkpoint's. The table's gate is closed.</summary>
    public void BeginSnapshot()
    {
        ClosedBelow = _snapshotPages = Pages;
        _snapshot = Moment++;
    }

    /// <summary>The checkpoint was made, or will not be.</summary>
    public void EndSnapshot()
    {
        _snapshot = 0;
        for (long page = _first; page < Math.Min(_snapshotPages, Pages); page++)
            State(page).Before = null;
        foreach (nint chunk in _chunks)
            arena.Give(chunk);
        _chunks.Clear();
        _free = _chunkAt = _chunkEnd = null;
    }

    /// <summary>Notes the first change of a row in this moment.</summary>
    /// <returns>True when the row was kept as it was.</returns>
    bool Touch(long location, byte* row)
    {
        ref var state = ref StateOf(location);
        bool isKept = false;
        if (_snapshot != 0)
        {
            // what was the same as its file when the checkpoint began is in that file
            if (state.Changed != Moment && state.Changed <= state.Written)
                state.Saved = _snapshot;
            isKept = state.Saved != _snapshot;
            if (isKept)
                Keep(ref state, location, row);
        }
        state.Changed = *MomentOf(row) = Moment;
        return isKept;
    }

    void Keep(ref PageState state, long location, byte* row)
    {
        byte* record = _free;
        if (record != null)
        {
            _free = *(byte**)record;
        }
        else
        {
            if (_chunkAt + RecordBytes > _chunkEnd)
            {
                _chunkAt = (byte*)arena.Take();
                _chunkEnd = _chunkAt + layout.PageBytes;
                _chunks.Add((nint)_chunkAt);
            }
            record = _chunkAt;
            _chunkAt += RecordBytes;
        }
        *(byte**)record = state.Before;
        *(long*)(record + sizeof(nint)) = location & (layout.RowsPerPage - 1);
        new ReadOnlySpan<byte>(row, layout.Stride).CopyTo(new Span<byte>(record + sizeof(nint) + sizeof(long), layout.Stride));
        state.Before = record;
    }

    /// <summary>
    /// Copies the keys and rows of a page. Without the lock, while rows may change: then <see cref="PutBack"/> makes them right. The caller
    /// keeps the page in memory.
    /// </summary>
    /// <returns>How many rows there are.</returns>
    public int Copy(long page, Span<byte> buffer)
    {
        byte* memory;
        int count;
        lock (Gate)
        {
            memory = (byte*)_memory[page - _first];
            count = State(page).Count;
        }
        new ReadOnlySpan<byte>(memory + RowLayout.HeaderBytes, count * RowLayout.KeyBytes).CopyTo(buffer[RowLayout.HeaderBytes..]);
        new ReadOnlySpan<byte>(memory + layout.RowsOffset, count * layout.Stride).CopyTo(buffer[RowLayout.RowsOffsetOf(count)..]);
        return count;
    }

    /// <summary>Makes a copy of a pending page what the page was when the checkpoint began.</summary>
    /// <returns>Rows of which the page's file has an older state.</returns>
    public int PutBack(long page, Span<byte> buffer)
    {
        ref var state = ref State(page);
        var rows = buffer[RowLayout.RowsOffsetOf(state.Count)..];
        for (byte* record = state.Before; record != null; record = *(byte**)record)
            new ReadOnlySpan<byte>(record + sizeof(nint) + sizeof(long), layout.Stride)
                .CopyTo(rows[((int)*(long*)(record + sizeof(nint)) * layout.Stride)..]);
        int changed = 0;
        for (int row = 0; row < state.Count; row++)
            changed += IsChanged(rows, row, state.Written) ? 1 : 0;
        return changed;
    }

    bool IsChanged(ReadOnlySpan<byte> rows, int row, uint written) =>
        BinaryPrimitives.ReadUInt32LittleEndian(rows[(((row + 1) * layout.Stride) - RowLayout.ChecksumBytes)..]) > written;

    /// <summary>The checkpoint under way needs nothing more of the page.</summary>
    public void EndPending(long page)
    {
        ref var state = ref State(page);
        (state.Saved, state.Written) = (_snapshot, _snapshot);
        for (byte* record = state.Before, next; record != null; record = next)
        {
            next = *(byte**)record;
            *(byte**)record = _free;
            _free = record;
        }
        state.Before = null;
    }

    /// <summary>A page for rows that move here from pages of which little has changed; it takes no others.</summary>
    public long NewGathering()
    {
        NewPage();
        State(Pages - 1).Changed = _snapshot;
        ClosedBelow = Pages;
        return Pages - 1;
    }

    /// <summary>Moves the changed rows of a pending page into a page of <see cref="NewGathering"/>.</summary>
    /// <param name="page">The page.</param>
    /// <param name="image">Of the page, from <see cref="PutBack"/>.</param>
    /// <param name="to">Where they go; it has room.</param>
    /// <param name="gathered">Gets keys and rows as they were when the checkpoint began.</param>
    /// <returns>False when a row was deleted or moved since: nothing was changed, the page has to be written as it is.</returns>
    public bool TryGather(long page, ReadOnlySpan<byte> image, long to, GatheredRows gathered)
    {
        ref var from = ref State(page);
        var keys = KeysOf(page);
        var rows = image[RowLayout.RowsOffsetOf(from.Count)..];
        long start = page << layout.PageShift;
        for (int row = 0; row < keys.Length; row++)
        {
            if (IsChanged(rows, row, from.Written) && Index.Find(KeyIndex.Hash(keys[row]), keys[row]) != start + row)
                return false;
        }
        ref var target = ref State(to);
        for (int row = 0; row < keys.Length; row++)
        {
            if (!IsChanged(rows, row, from.Written))
                continue;
            int at = target.Count++;
            target.Live++;
            byte* old = RowAt(start + row), now = RowAt((to << layout.PageShift) + at);
            ((long*)((byte*)_memory[to - _first] + RowLayout.HeaderBytes))[at] = keys[row];
            new ReadOnlySpan<byte>(old, layout.Stride).CopyTo(new Span<byte>(now, layout.Stride));
            if (*MomentOf(now) == Moment)
                target.Changed = Moment;
            *MomentOf(old) = 0;
            Index.Set(KeyIndex.Hash(keys[row]), keys[row], (to << layout.PageShift) + at);
            from.Live--;
            gathered.Add(keys[row], rows.Slice(row * layout.Stride, layout.Stride));
        }
        return true;
    }

    /// <summary>The file has a page of <see cref="NewGathering"/>.</summary>
    public void EndGathering(long page, long place) => (State(page).Place, State(page).Written) = (place, _snapshot);

    public void SetPlace(long page, long place) => State(page).Place = place;

    /// <summary>Makes a copy of a page what its file has: the header, and the checksums of rows.</summary>
    /// <param name="page">The page's number.</param>
    /// <param name="count">Its rows.</param>
    /// <param name="moment">Up to which the copy has changes.</param>
    /// <param name="seed">Of the table.</param>
    /// <param name="buffer">Keys and rows.</param>
    /// <returns>Its length.</returns>
    public int Finish(long page, int count, uint moment, uint seed, Span<byte> buffer)
    {
        var rows = buffer[RowLayout.RowsOffsetOf(count)..];
        for (int row = 0; row < count; row++)
        {
            var bytes = rows.Slice(row * layout.Stride, layout.Stride);
            uint checksum = PageHeader.RowChecksum(bytes, seed, number, (page << layout.PageShift) + row);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[^RowLayout.ChecksumBytes..], checksum);
        }
        new PageHeader
        {
            Kind = PageKind.Rows,
            Shard = number,
            Number = page,
            Count = count,
            Stride = layout.Stride,
            KeysChecksum = Crc32C.Compute(buffer.Slice(RowLayout.HeaderBytes, count * RowLayout.KeyBytes)),
            LocationsChecksum = 0,
            Moment = moment,
        }.Write(buffer, seed);
        return layout.FileBytes(count);
    }

    /// <summary>A new row at the end: its key is noted, its bytes but for the moment are the caller's to write.</summary>
    byte* Append(long key, out long location)
    {
        if (!IsOpen)
            NewPage();
        location = Tail;
        byte* page = (byte*)_memory[Pages - 1 - _first];
        ref var state = ref State(Pages - 1);
        int row = state.Count++;
        state.Live++;
        state.Changed = Moment;
        ((long*)(page + RowLayout.HeaderBytes))[row] = key;
        byte* added = page + layout.RowsOffset + ((long)row * layout.Stride);
        *MomentOf(added) = Moment;
        return added;
    }

    /// <summary>The row at this location counts no more.</summary>
    void Forget(long location)
    {
        StateOf(location).Live--;
        byte* row = RowAt(location);
        // no file needs it, unless a checkpoint under way does
        if (row != null && _snapshot == 0)
            *MomentOf(row) = 0;
    }

    /// <summary>
    /// Chooses pages to leave memory, in turn; the open one only when there is no other. Their rows do not change any more.
    /// </summary>
    public List<long> Leave(long pages)
    {
        var chosen = new List<long>();
        long open = IsOpen ? Pages - 1 : -1;
        for (long seen = _first; seen < Pages && chosen.Count < pages; seen++, _hand++)
        {
            if (_hand >= Pages || _hand < _first)
                _hand = _first;
            if (IsInMemory(_hand) && _hand != open)
                chosen.Add(_hand);
        }
        if (chosen.Count == 0 && open >= 0)
        {
            ClosedBelow = Pages;
            chosen.Add(open);
        }
        foreach (long page in chosen)
            State(page).IsLeaving = true;
        _leaving += chosen.Count;
        return chosen;
    }

    /// <summary>They stay after all.</summary>
    public void Stay(List<long> pages)
    {
        foreach (long page in pages)
            State(page).IsLeaving = false;
        _leaving -= pages.Count;
    }

    /// <summary>Gives back the memory of pages that leave; files have them, or they have no row. The table's gate is closed.</summary>
    public void Release(List<long> pages)
    {
        Stay(pages);
        foreach (long page in pages)
            Free(page);
    }

    /// <summary>Gives back the memory of pages that have no row. The table's gate is closed, and no checkpoint is under way.</summary>
    public void ReleaseDead()
    {
        for (long page = _first; page < ClosedBelow; page++)
        {
            if (State(page).Live == 0 && IsInMemory(page) && !State(page).IsLeaving)
                Free(page);
        }
    }

    void Free(long page)
    {
        ref var state = ref State(page);
        arena.Give(_memory[page - _first]);
        _memory[page - _first] = 0;
        (state.Misses, state.Changed, state.Written) = (0, 0, 0);
        MemoryPages--;
    }

    /// <summary>Puts a page that was read, and checked, into memory again, unless it is there or has another place by now.</summary>
    public void Load(long page, long place, ReadOnlySpan<byte> bytes)
    {
        if (page < _first || IsInMemory(page) || State(page).Place != place)
            return;
        int count = State(page).Count;
        byte* memory = (byte*)arena.Take(), rows = memory + layout.RowsOffset;
        bytes.Slice(RowLayout.HeaderBytes, count * RowLayout.KeyBytes).CopyTo(
            new Span<byte>(memory + RowLayout.HeaderBytes, layout.PageBytes));
        bytes.Slice(RowLayout.RowsOffsetOf(count), count * layout.Stride).CopyTo(new Span<byte>(rows, count * layout.Stride));
        for (int row = 0; row < count; row++)
            *MomentOf(rows + ((long)row * layout.Stride)) = 0;
        _memory[page - _first] = (nint)memory;
        MemoryPages++;
    }

    /// <summary>The first page in memory, the next one to come when there is none.</summary>
    public long OldestInMemory()
    {
        long page = _first;
        while (page < Pages && !IsInMemory(page))
            page++;
        return page;
    }

    /// <summary>The keys of a page in memory.</summary>
    public ReadOnlySpan<long> KeysOf(long page) => new((byte*)_memory[page - _first] + RowLayout.HeaderBytes, State(page).Count);

    /// <summary>Takes pages from <paramref name="first"/> to before <paramref name="end"/>; those that no file has stay empty.</summary>
    public void Recover(long first, long end)
    {
        (_first, _hand) = (first, first);
        Grow(end);
        (Pages, ClosedBelow) = (end, end);
        foreach (ref var state in _pages.AsSpan(0, (int)(end - first)))
            state.Place = NoPlace;
    }

    /// <summary>A page that a file has.</summary>
    public void Recover(long page, int count, long place) => (State(page).Count, State(page).Place) = (count, place);

    /// <summary>Counts the rows that the index leads to.</summary>
    public void CountLive()
    {
        foreach (ref var state in _pages.AsSpan())
            state.Live = 0;
        Index.ForEach((_, location) => StateOf(location).Live++);
    }

    /// <summary>
    /// Drops what is known of the first pages that have no row, no memory and no file any more, once they are many. The table's gate is
    /// closed.
    /// </summary>
    public void DropFirst(PageFiles files)
    {
        long first = _first;
        while (first < ClosedBelow && State(first) is { Live: 0 } state && !IsInMemory(first)
            && (state.Place == NoPlace || !files.IsThere(PageFiles.SegmentOf(state.Place))))
            first++;
        int dropped = (int)(first - _first), kept = (int)(Pages - first);
        if (dropped < 1024 || dropped < kept)
            return;
        Array.Copy(_memory, dropped, _memory, 0, kept);
        Array.Copy(_pages, dropped, _pages, 0, kept);
        _first = first;
    }

    public RowMiss MissOf(int position, long location)
    {
        ref var state = ref StateOf(location);
        if (state.Misses < byte.MaxValue)
            state.Misses++;
        long place = PlaceOfRow(location);
        return new RowMiss(position, number, location, PageFiles.SegmentOf(place), PageFiles.OffsetOf(place));
    }

    long PlaceOfRow(long location)
    {
        ref var state = ref StateOf(location);
        return state.Place + RowLayout.RowsOffsetOf(state.Count) + ((location & (layout.RowsPerPage - 1)) * layout.Stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    uint* MomentOf(byte* row) => (uint*)(row + layout.Stride - RowLayout.ChecksumBytes);

    ref PageState State(long page) => ref _pages[page - _first];

    ref PageState StateOf(long location) => ref _pages[(location >> layout.PageShift) - _first];

    void NewPage()
    {
        Grow(Pages + 1);
        if ((Pages + 1) << layout.PageShift > KeyIndex.MostLocation)
            throw new InvalidOperationException("a shard has no location left");
        _memory[Pages - _first] = arena.Take();
        _pages[Pages - _first] = new PageState { Place = NoPlace, Saved = _snapshot, Changed = Moment };
        MemoryPages++;
        Pages++;
    }

    void Grow(long end)
    {
        long pages = end - _first;
        if (pages <= _memory.Length)
            return;
        int length = checked((int)Math.Max(pages, _memory.Length * 2L));
        Array.Resize(ref _memory, length);
        Array.Resize(ref _pages, length);
    }
}
