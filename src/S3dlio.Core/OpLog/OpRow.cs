using System.Buffers.Text;
using System.Text;
using S3dlio.IO;

namespace S3dlio.OpLog;

/// <summary>A record as a line: fields parted by tabs, quoted as RFC 4180 has it, times as RFC 3339 with nanoseconds.</summary>
public static class OpRow
{
    /// <summary>The original's thirteen columns, and two more, which other readers pass over.</summary>
    public static readonly string[] Columns =
        ["idx", "thread", "op", "client_id", "n_objects", "bytes", "endpoint", "file", "error", "start", "first_byte", "end",
            "duration_ns", "offset", "cached"];

    /// <summary>A line without its texts.</summary>
    public const int FixedLength = 256;

    /// <summary>Bytes that a text may take.</summary>
    public static int MostLength(string text) => (text.Length * 6) + 2;

    public static byte[] Header() => Encoding.ASCII.GetBytes(string.Join('\t', Columns) + "\n");

    /// <summary>Writes the line into a span that is long enough.</summary>
    /// <param name="record">The row.</param>
    /// <param name="line">Receives the text.</param>
    /// <param name="separator">A tab or a comma.</param>
    /// <returns>Its length.</returns>
    public static int Write(in OpRecord record, Span<byte> line, byte separator = (byte)'\t')
    {
        int at = 0;
        Number(line, separator, ref at, record.Index);
        Number(line, separator, ref at, record.Thread);
        Text(line, separator, ref at, record.Op);
        Text(line, separator, ref at, record.ClientId);
        Number(line, separator, ref at, record.Objects);
        Number(line, separator, ref at, record.Bytes);
        Text(line, separator, ref at, record.Endpoint);
        Text(line, separator, ref at, record.File);
        Text(line, separator, ref at, record.Error);
        Time(line, separator, ref at, record.Start);
        if (record.FirstByte is { } first)
            Time(line, separator, ref at, first);
        else
            line[at++] = separator;
        Time(line, separator, ref at, record.End);
        Number(line, separator, ref at, record.Duration);
        Optional(line, separator, ref at, record.Offset);
        Optional(line, separator, ref at, record.Cached);
        line[at - 1] = (byte)'\n';
        return at;
    }

    static void Number(Span<byte> line, byte separator, ref int at, long number)
    {
        Utf8Formatter.TryFormat(number, line[at..], out int length);
        at += length;
        line[at++] = separator;
    }

    static void Optional(Span<byte> line, byte separator, ref int at, long? number)
    {
        if (number is { } known)
            Number(line, separator, ref at, known);
        else
            line[at++] = separator;
    }

    static void Text(Span<byte> line, byte separator, ref int at, string text)
    {
        // a field that begins with a blank is quoted too: readers that trim would lose it
        bool quoted = text.AsSpan().ContainsAny("\t,\"\r\n") || text.StartsWith(' ');
        if (quoted)
            line[at++] = (byte)'"';
        if (!quoted && Ascii.FromUtf16(text, line[at..], out int length) == System.Buffers.OperationStatus.Done)
        {
            at += length;
        }
        else
        {
            // the name of no object at all is recorded too: a call with it has failed
            foreach (byte one in PathText.Encode(PathText.ByteCount(text) is null ? PathText.Show(text) : text))
            {
                if (one == '"')
                    line[at++] = one;
                line[at++] = one;
            }
        }
        if (quoted)
            line[at++] = (byte)'"';
        line[at++] = separator;
    }

    static void Time(Span<byte> line, byte separator, ref int at, long nanoseconds)
    {
        (long seconds, long rest) = Math.DivRem(nanoseconds, 1_000_000_000);
        var time = DateTime.UnixEpoch.AddSeconds(seconds);
        Digits(line, ref at, time.Year, 4);
        line[at++] = (byte)'-';
        Digits(line, ref at, time.Month, 2);
        line[at++] = (byte)'-';
        Digits(line, ref at, time.Day, 2);
        line[at++] = (byte)'T';
        Digits(line, ref at, time.Hour, 2);
        line[at++] = (byte)':';
        Digits(line, ref at, time.Minute, 2);
        line[at++] = (byte)':';
        Digits(line, ref at, time.Second, 2);
        line[at++] = (byte)'.';
        Digits(line, ref at, rest, 9);
        line[at++] = (byte)'Z';
        line[at++] = separator;
    }

    static void Digits(Span<byte> line, ref int at, long number, int count)
    {
        for (int i = count - 1; i >= 0; i--)
        {
            line[at + i] = (byte)('0' + (number % 10));
            number /= 10;
        }
        at += count;
    }

    /// <summary>A time as a row holds it.</summary>
    public static string Time(long nanoseconds)
    {
        Span<byte> line = stackalloc byte[40];
        int at = 0;
        Time(line, (byte)'\t', ref at, nanoseconds);
        return Encoding.ASCII.GetString(line[..(at - 1)]);
    }
}
