using System.Text;
using System.Text.Json;

namespace S3dlio.OpLog;

/// <summary>Logs in the forms that other tools read, row by row.</summary>
public static class OpConversion
{
    /// <summary>The columns as they are, parted by tabs or commas.</summary>
    /// <returns>How many rows.</returns>
    public static long Separated(IEnumerable<OpRecord> rows, Stream output, byte separator)
    {
        byte[] header = OpRow.Header();
        Replace(header, separator);
        output.Write(header);
        byte[] line = new byte[4096];
        long count = 0;
        foreach (var row in rows)
        {
            int most = OpRow.FixedLength + OpRow.MostLength(row.Op) + OpRow.MostLength(row.ClientId) + OpRow.MostLength(row.Endpoint)
                + OpRow.MostLength(row.File) + OpRow.MostLength(row.Error);
            if (line.Length < most)
                line = new byte[most];
            output.Write(line, 0, OpRow.Write(row, line, separator));
            count++;
        }
        return count;
    }

    /// <summary>
    /// fio's iolog version 3: files are added and opened where they are first seen, times are microseconds from the first row.
    /// </summary>
    public static long Fio(IEnumerable<OpRecord> rows, Stream output)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        long? origin = null;
        long count = 0;
        Line(output, "fio version 3 iolog");
        foreach (var row in rows)
        {
            if (row.Op is not (OpName.Get or OpName.Put) || row.Error.Length > 0 || row.Bytes == 0)
                continue;
            origin ??= row.Start;
            long time = Math.Max(0, row.Start - origin.Value) / 1000;
            // a blank would end the name
            string name = "/" + row.File.TrimStart('/').Replace(' ', '_').Replace('\t', '_').Replace('\n', '_');
            if (seen.Add(name))
            {
                Line(output, $"{time} {name} add");
                Line(output, $"{time} {name} open");
            }
            Line(output, $"{time} {name} {(row.Op == OpName.Get ? "read" : "write")} {row.Offset ?? 0} {row.Bytes}");
            count++;
        }
        foreach (string name in seen)
            Line(output, $"0 {name} close");
        return count;
    }

    /// <summary>Trace events of Chrome, which Perfetto shows: a track for each thread of each client.</summary>
    public static long Chrome(IEnumerable<OpRecord> rows, Stream output)
    {
        var clients = new Dictionary<string, int>(StringComparer.Ordinal);
        long? origin = null;
        long count = 0;
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteStartArray("traceEvents");
        foreach (var row in rows)
        {
            origin ??= row.Start;
            if (!clients.TryGetValue(row.ClientId, out int client))
                clients[row.ClientId] = client = clients.Count + 1;
            json.WriteStartObject();
            json.WriteString("name", row.Op);
            json.WriteString("cat", row.Error.Length > 0 ? "error" : "storage");
            json.WriteString("ph", "X");
            json.WriteNumber("ts", (row.Start - origin.Value) / 1000.0);
            json.WriteNumber("dur", row.Duration / 1000.0);
            json.WriteNumber("pid", client);
            json.WriteNumber("tid", row.Thread);
            json.WriteStartObject("args");
            json.WriteString("file", IO.PathText.Show(row.File));
            json.WriteNumber("bytes", row.Bytes);
            if (row.Offset is { } offset)
                json.WriteNumber("offset", offset);
            if (row.Cached is { } cached)
                json.WriteNumber("cached", cached);
            if (row.FirstByte is { } first)
                json.WriteNumber("first_byte_us", (first - row.Start) / 1000.0);
            if (row.Error.Length > 0)
                json.WriteString("error", row.Error);
            json.WriteEndObject();
            json.WriteEndObject();
            if (++count % 1000 == 0)
                json.Flush();
        }
        json.WriteEndArray();
        json.WriteEndObject();
        return count;
    }

    static void Replace(Span<byte> line, byte separator) => line.Replace((byte)'\t', separator);

    static void Line(Stream output, string text)
    {
        output.Write(Encoding.UTF8.GetBytes(text));
        output.WriteByte((byte)'\n');
    }
}
