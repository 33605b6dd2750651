using System.Text.Json;

namespace S3dlio.Table;

/// <summary>What is told of tables, as JSON.</summary>
public static class TableJson
{
    /// <param name="json">An object that was begun.</param>
    /// <param name="table">What was opened.</param>
    public static void WriteMembers(Utf8JsonWriter json, EmbeddingTable table)
    {
        var options = table.Options;
        json.WriteString("path", table.Directory);
        json.WriteNumber("rows", table.Count);
        json.WriteNumber("version", table.Version);
        json.WriteNumber("step", table.Step);
        json.WriteNumber("row_bytes", table.RowBytes);
        json.WriteNumber("dimension", options.Dimension);
        json.WriteString("dtype", Name(options.Type));
        json.WriteStartObject("optimizer");
        WriteMembers(json, options.Optimizer);
        json.WriteEndObject();
        json.WriteStartObject("initial");
        WriteMembers(json, options.Initializer);
        json.WriteEndObject();
        json.WriteNumber("seed", options.Initializer.Seed);
        json.WriteNumber("shards", options.Shards);
        json.WriteNumber("memory", options.Memory);
        json.WriteNumber("keep", options.Keep);
        json.WriteNumber("admit_after", options.AdmitAfter);
        json.WriteNumber("ttl", options.TimeToLive);
        json.WriteBoolean("row_times", table.HasTimes);
        json.WriteStartArray("damage");
        foreach (string one in table.Damage)
            json.WriteStringValue(one);
        json.WriteEndArray();
    }

    public static void WriteMembers(Utf8JsonWriter json, Optimizer optimizer)
    {
        json.WriteString("rule", TableManifest.NameOf(optimizer.Rule));
        json.WriteNumber("learning_rate", optimizer.LearningRate);
        json.WriteNumber("momentum", optimizer.Momentum);
        json.WriteNumber("beta1", optimizer.Beta1);
        json.WriteNumber("beta2", optimizer.Beta2);
        json.WriteNumber("epsilon", optimizer.Epsilon);
        json.WriteNumber("weight_decay", optimizer.WeightDecay);
        json.WriteNumber("initial_sum", optimizer.InitialSum);
        json.WriteNumber("rate_decay", optimizer.RateDecay);
        json.WriteNumber("clip_norm", optimizer.ClipNorm);
        json.WriteNumber("clip_value", optimizer.ClipValue);
    }

    public static void WriteMembers(Utf8JsonWriter json, Initializer initializer)
    {
        json.WriteString("rows", TableManifest.NameOf(initializer.Rows));
        json.WriteNumber("low", initializer.Low);
        json.WriteNumber("high", initializer.High);
    }

    public static void WriteMembers(Utf8JsonWriter json, TableCheckpoint checkpoint)
    {
        json.WriteNumber("version", checkpoint.Version);
        json.WriteNumber("parent", checkpoint.Parent);
        json.WriteString("table", checkpoint.Table);
        json.WriteNumber("created_ns", checkpoint.Created);
        json.WriteNumber("rows", checkpoint.Rows);
        json.WriteNumber("step", checkpoint.Step);
        json.WriteStartObject("sessions");
        WriteSessions(json, checkpoint.Sessions);
        json.WriteEndObject();
        json.WriteNumber("bytes", checkpoint.Bytes);
        json.WriteNumber("new_bytes", checkpoint.NewBytes);
        json.WriteNumber("segments", checkpoint.Segments);
    }

    public static void WriteMembers(Utf8JsonWriter json, TableUploadSummary done)
    {
        json.WriteNumber("uploaded", done.Uploaded);
        json.WriteNumber("uploaded_bytes", done.Bytes);
        json.WriteNumber("removed", done.Removed);
    }

    public static void WriteMembers(Utf8JsonWriter json, TableStatistics statistics)
    {
        json.WriteNumber("rows", statistics.Rows);
        json.WriteNumber("memory_bytes", statistics.MemoryBytes);
        json.WriteNumber("index_bytes", statistics.IndexBytes);
        json.WriteNumber("disk_bytes", statistics.DiskBytes);
        json.WriteNumber("pages_in_memory", statistics.PagesInMemory);
        json.WriteNumber("lookups", statistics.Lookups);
        json.WriteNumber("lookup_rows", statistics.LookupRows);
        json.WriteNumber("disk_rows", statistics.DiskRows);
        json.WriteNumber("batches", statistics.Batches);
        json.WriteNumber("batch_rows", statistics.BatchRows);
        json.WriteNumber("copies", statistics.Copies);
        json.WriteNumber("releases", statistics.Releases);
        json.WriteNumber("evicted", statistics.Evicted);
        json.WriteNumber("checkpoints", statistics.Checkpoints);
        json.WriteNumber("gate_ns", statistics.GateNanoseconds);
        json.WriteNumber("longest_gate_ns", statistics.LongestGateNanoseconds);
        json.WriteNumber("checkpoint_ns", statistics.CheckpointNanoseconds);
    }

    public static void WriteMembers(Utf8JsonWriter json, TableReport report)
    {
        var newest = report.Checkpoints.Count > 0 ? report.Checkpoints[^1] : null;
        json.WriteString("path", report.Directory);
        json.WriteString("table", report.Table);
        if (report.Writer is not null)
            json.WriteString("writer", report.Writer);
        json.WriteNumber("version", newest?.Version ?? 0);
        json.WriteNumber("rows", newest?.Rows ?? 0);
        json.WriteNumber("step", newest?.Step ?? 0);
        json.WriteNumber("dimension", report.Dimension);
        json.WriteString("dtype", Name(report.Type));
        json.WriteStartObject("optimizer");
        WriteMembers(json, report.Optimizer);
        json.WriteEndObject();
        json.WriteStartObject("initial");
        WriteMembers(json, report.Initializer);
        json.WriteEndObject();
        json.WriteNumber("seed", report.Initializer.Seed);
        json.WriteNumber("shards", report.Shards);
        json.WriteNumber("rows_per_page", report.RowsPerPage);
        json.WriteStartArray("checkpoints");
        foreach (var one in report.Checkpoints)
        {
            json.WriteStartObject();
            WriteMembers(json, one);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("files");
        foreach (var one in report.Files)
        {
            json.WriteStartObject();
            json.WriteString("name", one.Name);
            json.WriteNumber("bytes", one.Length);
            json.WriteStartArray("checkpoints");
            foreach (long version in one.NamedBy)
                json.WriteNumberValue(version);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNumber("rows_checked", report.RowsChecked);
        json.WriteBoolean("whole", report.IsWhole);
        json.WriteStartArray("findings");
        foreach (var one in report.Findings)
        {
            json.WriteStartObject();
            json.WriteString("path", one.Path);
            if (one.Offset is { } offset)
                json.WriteNumber("offset", offset);
            json.WriteString("what", one.What);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    public static void WriteSessions(Utf8JsonWriter json, IReadOnlyDictionary<string, long> sessions)
    {
        foreach (var (name, serial) in sessions.OrderBy(static one => one.Key, StringComparer.Ordinal))
            json.WriteNumber(name, serial);
    }

    public static string Name(RowType type) => type switch { RowType.Float16 => "f2", RowType.BFloat16 => "bf16", _ => "f4" };
}
