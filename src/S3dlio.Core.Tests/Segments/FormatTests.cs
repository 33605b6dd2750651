using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Xunit;

namespace S3dlio.Segments;

/// <summary>The example of docs/formats.md is what the code writes and reads.</summary>
public sealed class FormatTests
{
    static readonly Guid Store = new("00010203-0405-0607-0809-0a0b0c0d0e0f");

    [Fact]
    public void Frame_OfTheDocumentation_IsWrittenAndReadByteForByte()
    {
        var bytes = Documented();
        uint seed = SegmentHeader.SeedOf(Store);
        Assert.True(FrameHeader.TryRead(bytes, seed, 4096, out var header));
        Assert.Equal((FrameType.Data, 17L, 3, 8u, 4096L, 2L),
            (header.Type, header.FirstRecord, header.Count, header.PayloadLength, header.SyncedTo, header.Epoch));
        var table = FrameTable.Decode(4096, header, bytes.AsSpan(64, 24))!;
        Assert.Equal(bytes.Length, header.FrameLength(8));
        var built = new FrameBuilder(1000);
        foreach (string record in new[] { "hello", "", "log" })
        {
            int index = built.Count;
            built.Add(Encoding.ASCII.GetBytes(record));
            Assert.True(table.IsRecord(index, built.Record(index)));
        }
        header.Write(built.Head.Span, seed);
        Assert.Equal(bytes, built.Head.ToArray().Concat(built.Payload.ToArray()));
        // the same bytes elsewhere, or of another log, are no frame
        Assert.False(FrameHeader.TryRead(bytes, seed, 4104, out _));
        Assert.False(FrameHeader.TryRead(bytes, seed + 1, 4096, out _));
        for (int i = 0; i < 64; i++)
        {
            bytes[i] ^= 16;
            Assert.False(FrameHeader.TryRead(bytes, seed, 4096, out _));
            bytes[i] ^= 16;
        }
    }

    static byte[] Documented([CallerFilePath] string here = "")
    {
        string text = File.ReadAllText(Path.Combine(Path.GetDirectoryName(here)!, "../../../docs/formats.md"));
        int start = text.IndexOf("\n0000  ", StringComparison.Ordinal);
        List<byte> bytes = [];
        foreach (string line in text[(start + 1)..].Split('\n').TakeWhile(line => line != "```"))
            bytes.AddRange(line[6..54].Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(digits => byte.Parse(digits, NumberStyles.HexNumber, null)));
        return [.. bytes];
    }
}
