using S3dlio.Compression;

namespace S3dlio.Tests.Compression;

/// <summary>Compressed objects as the writer makes them, with frames of any length.</summary>
static class SmallObject
{
    public static byte[] Make(ReadOnlySpan<byte> raw, int frameLength, int level = 3)
    {
        using var encoder = new FrameEncoder(level);
        var table = new SeekTableBuilder();
        var stream = new MemoryStream();
        for (; raw.Length > 0; raw = raw[Math.Min(frameLength, raw.Length)..])
        {
            var (info, frame) = Encode(encoder, raw[..Math.Min(frameLength, raw.Length)]);
            stream.Write(frame);
            table.Add(info);
        }
        stream.Write(table.Finish());
        return stream.ToArray();
    }

    /// <summary>Frames and the seek table that another program may have written for them, without checksums.</summary>
    /// <param name="frames">Each frame, and the raw length that the table claims for it.</param>
    public static byte[] WithTable(params (byte[] Stored, int Raw)[] frames)
    {
        var stream = new MemoryStream();
        foreach (var (stored, _) in frames)
            stream.Write(stored);
        using var writer = new BinaryWriter(stream);
        writer.Write(0x184D2A5Eu);
        writer.Write((frames.Length * 8) + 9);
        foreach (var (stored, raw) in frames)
        {
            writer.Write(stored.Length);
            writer.Write(raw);
        }
        writer.Write(frames.Length);
        writer.Write((byte)0);
        writer.Write(0x8F92EAB1u);
        return stream.ToArray();
    }

    /// <summary>A skippable frame.</summary>
    public static byte[] Skippable(int content, int? claimed = null) =>
        [.. BitConverter.GetBytes(0x184D2A51u), .. BitConverter.GetBytes(claimed ?? content), .. Noise(content, 8)];

    /// <summary>One frame and no seek table, as other programs compress.</summary>
    public static byte[] Frame(ReadOnlySpan<byte> raw)
    {
        using var encoder = new FrameEncoder(3);
        return Encode(encoder, raw).Frame;
    }

    /// <summary>One frame, in one piece.</summary>
    public static (FrameInfo Info, byte[] Frame) Encode(FrameEncoder encoder, ReadOnlySpan<byte> raw)
    {
        var info = encoder.Encode(raw.ToArray());
        return (info, Join(encoder.Frame));
    }

    public static byte[] Join(IEnumerable<ReadOnlyMemory<byte>> pieces) => [.. pieces.SelectMany(piece => piece.ToArray())];

    public static byte[] Read(ReadOnlySpan<byte> stored)
    {
        var table = SeekTable.Parse(stored[^SeekTable.NeededLength(stored, stored.Length)..], stored.Length);
        var raw = new byte[table.RawLength];
        for (int i = 0; i < table.Count; i++)
            FrameDecoder.Decode(
                table, i, stored.Slice((int)table.StoredOffset(i), table.StoredLength(i)),
                raw.AsSpan((int)table.RawOffset(i), table.FrameRawLength(i)));
        return raw;
    }

    /// <summary>Words of a few kinds, so that it shrinks and has matches near and far.</summary>
    public static byte[] Text(int length, int seed)
    {
        var random = new Random(seed);
        var words = Enumerable.Range(0, 500).Select(
            _ => new string((char)('a' + random.Next(26)), random.Next(1, 9)) + (char)('a' + random.Next(26)) + " ").ToArray();
        var text = new MemoryStream(length + 16);
        while (text.Length < length)
            text.Write(System.Text.Encoding.ASCII.GetBytes(words[(int)(Math.Pow(random.NextDouble(), 3) * words.Length)]));
        return text.ToArray()[..length];
    }

    public static byte[] Noise(int length, int seed)
    {
        var data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }
}
