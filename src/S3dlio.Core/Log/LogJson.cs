using System.Text.Json;

namespace S3dlio.Log;

/// <summary>What is told of logs, as JSON.</summary>
public static class LogJson
{
    /// <param name="json">An object that was begun.</param>
    /// <param name="log">What was found.</param>
    /// <param name="before">The same before a repair; null when nothing was repaired.</param>
    public static void WriteMembers(Utf8JsonWriter json, LogInspection log, LogInspection? before = null)
    {
        json.WriteString("path", log.Directory);
        json.WriteString("id", log.Id);
        json.WriteNumber("version", log.Version);
        json.WriteNumber("least_version", log.LeastVersion);
        json.WriteString("state", log.Writer is not null ? "open" : log.IsClosed ? "closed" : "ended without a close");
        if (log.Writer is not null)
            json.WriteString("writer", log.Writer);
        json.WriteNumber("begin", log.Begin);
        json.WriteNumber("end", log.End);
        json.WriteNumber("records", log.End - log.Begin);
        json.WriteNumber("epoch", log.Epoch);
        json.WriteNumber("segment_size", log.SegmentSize);
        json.WriteNumber("alignment", log.Alignment);
        json.WriteNumber("record_size", log.RecordSize);
        json.WriteString("schema", log.Schema);
        json.WriteStartArray("segments");
        foreach (var one in log.Segments)
        {
            json.WriteStartObject();
            json.WriteString("name", one.Name);
            json.WriteNumber("first_record", one.FirstRecord);
            json.WriteNumber("end_record", one.EndRecord);
            json.WriteNumber("frames", one.Frames);
            json.WriteNumber("bytes", one.Length);
            json.WriteNumber("bytes_on_disk", one.Allocated);
            json.WriteBoolean("sealed", one.IsSealed);
            json.WriteNumber("created_ns", one.Created);
            json.WriteNumber("last_time_ns", one.LastTime);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartObject("cursors");
        foreach (var (name, number) in log.Cursors)
            json.WriteNumber(name, number);
        json.WriteEndObject();
        json.WriteNumber("records_checked", log.RecordsChecked);
        json.WriteNumber("bytes_checked", log.BytesChecked);
        json.WriteBoolean("whole", log.IsWhole);
        Findings(json, "findings", log);
        if (before is not null)
            Findings(json, "repaired", before);
    }

    /// <param name="json">An object that was begun.</param>
    /// <param name="log">Whose numbers are told; of a writer also what it did.</param>
    public static void WriteMembers(Utf8JsonWriter json, RecordLog log)
    {
        var found = (log as LogWriter)?.Statistics();
        json.WriteNumber("begin", found?.Begin ?? log.Begin);
        json.WriteNumber("end", found?.End ?? log.EndRecord);
        json.WriteNumber("committed", found?.Committed ?? log.Committed);
        if (found is { } written)
        {
            json.WriteNumber("segments", written.Segments);
            json.WriteNumber("bytes_on_disk", written.DiskBytes);
            json.WriteNumber("buffered_records", written.BufferedRecords);
            json.WriteNumber("buffered_bytes", written.BufferedBytes);
            json.WriteNumber("appended_records", written.Appended);
            json.WriteNumber("appended_bytes", written.AppendedBytes);
            json.WriteNumber("frames", written.Frames);
            json.WriteNumber("frame_bytes", written.FrameBytes);
            json.WriteNumber("flushes", written.Flushes);
            json.WriteNumber("flush_ns", written.FlushNanoseconds);
            json.WriteNumber("slowest_flush_ns", written.SlowestFlushNanoseconds);
            json.WriteNumber("rolls", written.Rolls);
            json.WriteNumber("truncated_records", written.Truncated);
        }
    }

    static void Findings(Utf8JsonWriter json, string name, LogInspection log)
    {
        json.WriteStartArray(name);
        foreach (var one in log.Findings)
        {
            json.WriteStartObject();
            json.WriteString(
                "kind", one.Kind switch { FindingKind.Damage => "damage", FindingKind.Redundant => "redundant", _ => "leftover" });
            json.WriteString("path", one.Path);
            if (one.Offset is { } offset)
                json.WriteNumber("offset", offset);
            if (one.FirstRecord >= 0)
            {
                json.WriteNumber("first_record", one.FirstRecord);
                if (one.EndRecord >= 0)
                    json.WriteNumber("end_record", one.EndRecord);
            }
            json.WriteString("what", one.What);
            json.WriteString("repair", one.Repair switch
            {
                FindingRepair.Opening => "opening",
                FindingRepair.Header => "header",
                FindingRepair.Footer => "footer",
                FindingRepair.Seal => "seal",
                FindingRepair.Copy => "copy",
                _ => "none",
            });
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
