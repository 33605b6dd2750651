using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Segments;

/// <summary>The segment that grows. One thread at a time writes; <see cref="Flush"/> may run beside writes.</summary>
sealed class SegmentWriter : IDisposable
{
    const long FirstAllocation = 1 << 20;

    static readonly byte[] Zeros = new byte[1 << 16];

    readonly Disk _disk;
    readonly string _directory;
    readonly List<ReadOnlyMemory<byte>> _pieces = [];
    readonly long _knownFrom;
    DiskFile _file;
    long _allocated, _firstTime, _lastTime;
    uint _crc;

    SegmentWriter(Disk disk, string directory, DiskFile file, SegmentHeader header, FrameIndex index, long offset)
    {
        (_disk, _directory, _file, Header, Index, Offset) = (disk, directory, file, header, index, offset);
        _knownFrom = offset;
    }

    public SegmentHeader Header { get; }

    public FrameIndex Index { get; }

    /// <summary>Where the next frame goes.</summary>
    public long Offset { get; private set; }

    public long EndAddress => Header.BaseAddress + Offset;

    public bool HasFrames => Index.Count > 0;

    public DiskFile File => _file;

    public static string NameOf(long firstRecord) => $"seg-{firstRecord:x16}.s3l";

    /// <summary>The first record that a segment's name tells; false for other names.</summary>
    public static bool TryParseName(string name, out long firstRecord)
    {
        firstRecord = 0;
        return name.Length == 24 && name.StartsWith("seg-", StringComparison.Ordinal) && name.EndsWith(".s3l", StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(4, 16), System.Globalization.NumberStyles.AllowHexSpecifier, null, out firstRecord)
                && firstRecord >= 0
            && name == NameOf(firstRecord);
    }

    /// <summary>Makes a segment under a temporary name, durable but for the name.</summary>
    public static SegmentWriter Prepare(Disk disk, string directory, SegmentHeader header, long room)
    {
        string path = $"{directory}/tmp-{NameOf(header.FirstRecord)}";
        var file = disk.Open(path, DiskOpen.WriteOrCreate);
        try
        {
            file.SetLength(0);
            var made = new SegmentWriter(disk, directory, file, header, new FrameIndex(), SegmentHeader.Length);
            made._allocated = SegmentHeader.Length;
            made.Reserve(Math.Min(room, FirstAllocation) - SegmentHeader.Length, room);
            file.Write(header.ToBytes(), 0);
            file.Flush();
            return made;
        }
        catch (DiskException)
        {
            file.Dispose();
            try
            {
                disk.Unlink(path);
            }
            catch (DiskException)
            {
                // the next opening removes it
            }
            throw;
        }
    }

    /// <summary>Gives the prepared segment its name, durably.</summary>
    public void Publish()
    {
        string path = $"{_directory}/{NameOf(Header.FirstRecord)}";
        _disk.Rename(_file.Path, path);
        _disk.SyncDirectory(_directory);
        _file.Dispose();
        _file = _disk.Open(path, DiskOpen.Write);
    }

    /// <summary>Goes on with a segment that was recovered.</summary>
    public static SegmentWriter Continue(Disk disk, string directory, DiskFile file, SegmentHeader header, SegmentRecovery found) =>
        new(disk, directory, file, header, found.Index, found.Tail)
        {
            _allocated = file.Length,
            _firstTime = found.FirstTime,
            _lastTime = found.LastTime,
        };

    /// <summary>Whether a frame and the footer after it keep the file within its size.</summary>
    public bool Fits(long frame, long size) => Offset + frame + SegmentFooter.LengthFor(Index.Count + 1) <= size;

    /// <summary>Sees to it that the disk has room for a frame, and for some more where it can.</summary>
    /// <exception cref="DiskException">ENOSPC: nothing was changed.</exception>
    public void Reserve(long frame, long size)
    {
        long needed = Offset + frame;
        if (needed <= _allocated)
            return;
        long wanted = Math.Max(needed, Math.Min(size, Math.Max(FirstAllocation, 2 * _allocated)));
        try
        {
            _file.Allocate(wanted);
        }
        catch (DiskException error) when (error.IsOutOfSpace && wanted > needed)
        {
            _file.Allocate(wanted = needed);
        }
        _allocated = wanted;
    }

    /// <summary>Writes a frame. After a failure nothing has changed here, and the same place can be written once more.</summary>
    /// <param name="header">Its fields but for address, sizes and checksum.</param>
    /// <param name="frame">The table, and the payload unless that lies elsewhere.</param>
    /// <param name="payload">The payload's pieces where they are the caller's; null when the frame has it.</param>
    public void Write(in FrameHeader header, FrameBuilder frame, IReadOnlyList<ReadOnlyMemory<byte>>? payload, long payloadLength)
    {
        var whole = header with
        {
            Address = EndAddress,
            Count = frame.Count,
            PayloadLength = (uint)payloadLength,
            TableChecksum = frame.TableChecksum(),
        };
        whole.Write(frame.Head.Span, Header.Seed);
        long length = whole.FrameLength(Header.Alignment);
        _pieces.Clear();
        _pieces.Add(frame.Head);
        if (payload is null)
            _pieces.Add(frame.Payload);
        else
            _pieces.AddRange(payload);
        int padding = (int)(length - frame.Head.Length - payloadLength);
        for (int left = padding; left > 0; left -= Zeros.Length)
            _pieces.Add(Zeros.AsMemory(0, Math.Min(left, Zeros.Length)));
        _file.Write(_pieces, Offset);
        foreach (var piece in _pieces)
            _crc = Crc32C.Append(_crc, piece.Span);
        _pieces.Clear();
        if (frame.Count > 0)
            Index.Add(header.FirstRecord, Offset);
        _firstTime = _firstTime == 0 ? header.Time : _firstTime;
        _lastTime = header.Time;
        Offset += length;
        _allocated = Math.Max(_allocated, Offset);
    }

    /// <summary>Writes the footer, cuts the file behind it and flushes.</summary>
    /// <returns>The footer's checksum, for the next header, and the file's end as an address.</returns>
    public (uint Checksum, long EndAddress) Seal(in FrameHeader like, long endRecord)
    {
        var footer = Footer(like, endRecord);
        long end = Offset + footer.Length;
        _file.Write(footer, Offset);
        _file.SetLength(end);
        _file.Flush();
        return (Crc32C.Compute(footer), Header.BaseAddress + FrameHeader.Padded(end, Header.Alignment));
    }

    /// <summary>What <see cref="Seal"/> will give.</summary>
    public (uint Checksum, long EndAddress) BeforeSeal(in FrameHeader like, long endRecord)
    {
        var footer = Footer(like, endRecord);
        return (Crc32C.Compute(footer), Header.BaseAddress + FrameHeader.Padded(Offset + footer.Length, Header.Alignment));
    }

    public void Flush() => _file.Flush();

    /// <summary>Cuts off the room that was reserved and not used.</summary>
    public void Trim()
    {
        _file.SetLength(Offset);
        _allocated = Offset;
    }

    public void Dispose() => _file.Dispose();

    byte[] Footer(in FrameHeader like, long endRecord)
    {
        uint before = new FrameWalk(_file, Header, 0, -1).Checksum(0, _knownFrom);
        var footer = new SegmentFooter
        {
            Offset = Offset,
            FirstRecord = Header.FirstRecord,
            EndRecord = endRecord,
            FirstTime = _firstTime,
            LastTime = _lastTime,
            BodyChecksum = Crc32C.Combine(before, _crc, Offset - _knownFrom),
        };
        return footer.ToBytes(Index, like with { Address = EndAddress, Count = 0, PayloadLength = 0 }, Header.Seed);
    }
}
