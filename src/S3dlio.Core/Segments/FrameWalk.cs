using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Segments;

/// <summary>Goes from frame to frame of a segment and checks each. Holds a window of the file, never a frame as a whole.</summary>
sealed class FrameWalk
{
    const int WindowLength = 1 << 20, LeastWindow = 64 << 10;

    readonly DiskFile _file;
    readonly SegmentHeader _segment;
    readonly byte[] _window;
    readonly uint _seed;
    long _windowAt;
    int _windowCount;

    /// <param name="file">The segment.</param>
    /// <param name="segment">Its header.</param>
    /// <param name="offset">Of the first frame to look at.</param>
    /// <param name="record">Number of the record that comes next, -1 when any may.</param>
    /// <param name="most">Bytes that are expected from there on: who follows a log looks at a few often.</param>
    public FrameWalk(DiskFile file, SegmentHeader segment, long offset, long record, long most = long.MaxValue)
    {
        (_file, _segment, Offset, NextRecord) = (file, segment, offset, record);
        _seed = segment.Seed;
        Length = file.Length;
        _window = new byte[(int)Math.Clamp(Math.Min(Length - offset, Math.Max(most, LeastWindow)), FrameHeader.Length, WindowLength)];
    }

    /// <summary>Of the frame that comes next; after the end that of the first byte which is no frame.</summary>
    public long Offset { get; private set; }

    public long NextRecord { get; private set; }

    public long Epoch { get; set; }

    /// <summary>Frames of a later opening than this are none of the store's.</summary>
    public long MostEpoch { get; init; } = long.MaxValue;

    /// <summary>Also the records' own bytes are compared with their checksums.</summary>
    public bool ChecksRecords { get; init; }

    public long Length { get; private set; }

    /// <summary>Of the frame that was passed last.</summary>
    public FrameHeader Header { get; private set; }

    public long FrameOffset { get; private set; }

    /// <summary>The first record of that frame whose bytes are damaged, -1 when none is.</summary>
    public long DamagedRecord { get; private set; }

    /// <summary>Why there is no further frame, in words.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>Passes the next frame.</summary>
    /// <returns>False where the bytes are no frame that may stand there; the footer is the last that is passed.</returns>
    public bool Next()
    {
        DamagedRecord = -1;
        long address = _segment.BaseAddress + Offset;
        if (Header.Type == FrameType.Footer)
            return Stop("the segment is sealed");
        if (!FrameHeader.TryRead(Bytes(Offset, FrameHeader.Length), _seed, address, out var header))
            return Stop(Offset >= Length ? "the file ends" : "no frame stands there: header missing or damaged");
        if (header.Epoch < Epoch || header.Epoch > MostEpoch)
            return Stop($"the frame is of the opening {header.Epoch}, expected {Epoch} to {MostEpoch}");
        if (NextRecord >= 0 && header.FirstRecord != NextRecord)
            return Stop($"the frame begins at record {header.FirstRecord}, expected {NextRecord}");
        int alignment = header.Type == FrameType.Footer ? 8 : _segment.Alignment;
        long end = Offset + header.FrameLength(alignment);
        if (end - header.FrameLength(alignment) + FrameHeader.Length + header.TableLength + header.PayloadLength > Length)
            return Stop("the frame ends behind the file's end");
        if (header.HasRecords && !PassTable(header))
            return Stop("the record table is damaged");
        if (header.Type == FrameType.Footer && Checksum(Offset + FrameHeader.Length, header.PayloadLength) != header.TableChecksum)
            return Stop("the footer is damaged");
        Header = header;
        FrameOffset = Offset;
        Epoch = header.Epoch;
        NextRecord = header.FirstRecord + (header.HasRecords ? header.Count : 0);
        Offset = end;
        return true;
    }

    /// <summary>Looks for whole frames behind the place where the walk stopped.</summary>
    /// <param name="visit">Gets the offset and header of each; returns false to end the search.</param>
    public void Probe(long from, Func<long, FrameHeader, bool> visit)
    {
        for (long at = FrameHeader.Padded(from, 8); at + FrameHeader.Length <= Length;)
        {
            var bytes = Window(at);
            // what was reserved and never written is zeros
            int content = bytes.IndexOfAnyExcept((byte)0);
            if (content < 0)
            {
                at += Math.Max(8, (bytes.Length & ~7) - FrameHeader.Length);
                continue;
            }
            int start = Math.Max(0, (content & ~7) - 8);
            for (; start + FrameHeader.Length <= bytes.Length; start += 8)
            {
                long address = _segment.BaseAddress + at + start;
                if (BitConverter.ToInt64(bytes[(start + 8)..]) == address
                    && FrameHeader.TryRead(bytes[start..], _seed, address, out var header)
                    && !visit(at + start, header))
                    return;
            }
            at += Math.Max(8, start);
        }
    }

    /// <summary>The checksum of a range, read in pieces.</summary>
    public uint Checksum(long offset, long length, uint crc = 0)
    {
        while (length > 0)
        {
            var piece = Bytes(offset, (int)Math.Min(length, _window.Length));
            if (piece.Length == 0)
                break;
            crc = Crc32C.Append(crc, piece);
            offset += piece.Length;
            length -= piece.Length;
        }
        return crc;
    }

    bool Stop(string reason)
    {
        Reason = reason;
        return false;
    }

    bool PassTable(in FrameHeader header)
    {
        long at = Offset + FrameHeader.Length;
        FrameTable? table;
        if (header.TableLength <= _window.Length)
            table = FrameTable.Decode(Offset, header, Bytes(at, (int)header.TableLength));
        else
        {
            // no longer than the file: that was checked
            var bytes = new byte[header.TableLength];
            table = _file.Read(bytes, at) == bytes.Length ? FrameTable.Decode(Offset, header, bytes) : null;
        }
        if (table is null)
            return false;
        if (_segment.RecordSize > 0 && !IsEven(table))
            return false;
        if (ChecksRecords && Damaged(table).FirstOrDefault(-1) is >= 0 and int first)
            DamagedRecord = header.FirstRecord + first;
        return true;
    }

    /// <summary>Places in the table of records whose bytes are not what was written.</summary>
    public IEnumerable<int> Damaged(FrameTable table)
    {
        byte[]? raw = null;
        if (table.Header.Type == FrameType.Packed && (raw = FramePacking.Read(_file, table)) is null)
        {
            for (int i = 0; i < table.Count; i++)
                yield return i;
            yield break;
        }
        for (int i = 0; i < table.Count; i++)
        {
            bool isWhole = raw is null
                ? Checksum(table.PayloadOffset + table.Start(i), table.End(i) - table.Start(i)) == table.Checksum(i)
                : table.IsRecord(i, raw.AsSpan((int)table.Start(i)..(int)table.End(i)));
            if (!isWhole)
                yield return i;
        }
    }

    bool IsEven(FrameTable table)
    {
        for (int i = 0; i < table.Count; i++)
        {
            if (table.End(i) - table.Start(i) != (uint)_segment.RecordSize)
                return false;
        }
        return true;
    }

    /// <summary>Bytes of the file from there on, fewer at its end only; at most a window.</summary>
    ReadOnlySpan<byte> Bytes(long offset, int length)
    {
        if (offset < _windowAt || offset + length > _windowAt + _windowCount)
        {
            _windowAt = offset;
            _windowCount = offset < Length ? _file.Read(_window, offset) : 0;
        }
        int start = (int)(offset - _windowAt);
        return _window.AsSpan(start, Math.Max(0, Math.Min(length, _windowCount - start)));
    }

    ReadOnlySpan<byte> Window(long offset)
    {
        _windowAt = offset;
        _windowCount = _file.Read(_window, offset);
        return _window.AsSpan(0, _windowCount);
    }
}
