using S3dlio.IO;

namespace S3dlio.Segments;

/// <summary>A segment for those who read it: opened when needed, closed when many are.</summary>
sealed class SegmentFile(Disk disk, string directory, long firstRecord) : IDisposable
{
    readonly Lock _gate = new();
    DiskFile? _file;
    SegmentHeader? _header;
    FrameIndex? _index;
    int _users;
    bool _isGone, _isRetired;

    public long FirstRecord => firstRecord;

    public string Path => $"{directory}/{SegmentWriter.NameOf(firstRecord)}";

    /// <summary>Set for the segment that grows; the others find theirs in their footer.</summary>
    public FrameIndex? GrowingIndex { get; init; }

    public bool IsOpen
    {
        get
        {
            lock (_gate)
                return _file is not null;
        }
    }

    /// <summary>The index, where it was read.</summary>
    public FrameIndex? KnownIndex => GrowingIndex ?? Volatile.Read(ref _index);

    /// <summary>The file, until <see cref="Release"/>.</summary>
    public DiskFile Lease()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isGone, this);
            _file ??= disk.Open(Path, DiskOpen.Read);
            _users++;
            return _file;
        }
    }

    public void Release()
    {
        lock (_gate)
        {
            _users--;
            if ((_isGone || _isRetired) && _users == 0)
                Close();
        }
    }

    /// <summary>
    /// Keeps the file open no longer than someone uses it: another stands for the segment now, and plans may have this one.
    /// </summary>
    public void Retire()
    {
        lock (_gate)
        {
            _isRetired = true;
            if (_users == 0)
                Close();
        }
    }

    /// <summary>Closes the file where nobody uses it just now.</summary>
    public void Rest()
    {
        lock (_gate)
        {
            if (_users == 0)
                Close();
        }
    }

    public SegmentHeader Header(DiskFile file)
    {
        if (Volatile.Read(ref _header) is { } known)
            return known;
        var bytes = new byte[SegmentHeader.Length];
        int count = file.Read(bytes, 0);
        var header = SegmentHeader.Parse(bytes.AsSpan(0, count), Path);
        if (header.FirstRecord != firstRecord)
            throw new SegmentException(
                SegmentFault.Damaged, Path, $"the header says that it begins at record {header.FirstRecord}, its name says {firstRecord}",
                48);
        Volatile.Write(ref _header, header);
        return header;
    }

    /// <summary>The index: that of the footer, or, where the footer is damaged, what walking from frame to frame finds.</summary>
    public FrameIndex Index(DiskFile file)
    {
        if (KnownIndex is { } known)
            return known;
        var index = ReadFooter(file, Header(file), out _) ?? Walk(file);
        Volatile.Write(ref _index, index);
        return index;
    }

    /// <summary>The footer's index; null when there is no whole footer.</summary>
    public static FrameIndex? ReadFooter(DiskFile file, SegmentHeader header, out SegmentFooter? footer)
    {
        footer = null;
        long length = file.Length;
        var summary = new byte[SegmentFooter.SummaryLength];
        var start = new byte[FrameHeader.Length];
        if (length < SegmentHeader.Length + SegmentFooter.LengthFor(0) || file.Read(summary, length - summary.Length) < summary.Length
            || !SegmentFooter.TryReadSummary(summary, header.Seed, out var found)
            || found!.Offset < SegmentHeader.Length || found.Offset > length - SegmentFooter.LengthFor(0)
            || file.Read(start, found.Offset) < start.Length
            || !FrameHeader.TryRead(start, header.Seed, header.BaseAddress + found.Offset, out var frame) || frame.Type != FrameType.Footer
            || found.Offset + FrameHeader.Length + frame.PayloadLength != length)
            return null;
        var payload = new byte[frame.PayloadLength];
        if (file.Read(payload, found.Offset + FrameHeader.Length) < payload.Length
            || Hashing.Crc32C.Compute(payload) != frame.TableChecksum)
            return null;
        footer = found;
        return SegmentFooter.ReadIndex(payload.AsSpan(0, payload.Length - SegmentFooter.SummaryLength));
    }

    FrameIndex Walk(DiskFile file)
    {
        var index = new FrameIndex();
        var header = Header(file);
        long from = SegmentHeader.Length;
        while (true)
        {
            var walk = new FrameWalk(file, header, from, -1);
            while (walk.Next())
            {
                if (walk.Header.HasRecords)
                    index.Add(walk.Header.FirstRecord, walk.FrameOffset);
            }
            if (walk.Header.Type == FrameType.Footer)
                return index;
            long next = -1, last = index.Count == 0 ? -1 : index[index.Count - 1].FirstRecord;
            walk.Probe(walk.Offset + 8, (offset, frame) =>
            {
                if (frame.FirstRecord <= last)
                    return true;
                next = offset;
                return false;
            });
            if (next < 0)
                return index;
            from = next;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isGone = true;
            if (_users == 0)
                Close();
        }
    }

    void Close()
    {
        _file?.Dispose();
        _file = null;
    }
}
