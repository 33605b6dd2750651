using S3dlio.Storage;
using S3dlio.Table;

namespace S3dlio.Native;

/// <summary>How C says what a table is: the options of opening one.</summary>
static class TableSettings
{
    static readonly string[] Known = ["mode", "dimension", "dtype", "optimizer", "initial", "seed", "memory", "shards", "segment_size",
        "create", "version", "fall_back", "check_all", "keep", "admit_after", "ttl", "take_all"];

    static readonly string[] KnownOptimizer = ["rule", "learning_rate", "momentum", "beta1", "beta2", "epsilon", "weight_decay",
        "initial_sum", "rate_decay", "clip_norm", "clip_value"];

    static readonly string[] KnownInitial = ["rows", "low", "high"];

    public static TableOptions Read(string json, string uri)
    {
        var chosen = new TableOptions { IsReadOnly = true };
        ulong seed = 0;
        foreach (var option in OptionReader.Read(json, uri))
        {
            if (option.Name == "seed")
            {
                seed = (ulong)option.AsInteger(0, long.MaxValue);
                continue;
            }
            chosen = option.Name switch
            {
                "mode" => chosen with { IsReadOnly = option.AsChoice("r", "a") == "r" },
                "dimension" => chosen with { Dimension = (int)option.AsInteger(0, TableOptions.MostDimension) },
                "dtype" => chosen with { Type = AsType(option) },
                "optimizer" => chosen with { Optimizer = AsOptimizer(option) },
                "initial" => chosen with { Initializer = AsInitializer(option) },
                "memory" => chosen with { Memory = option.AsSize() },
                "shards" => chosen with { Shards = (int)option.AsInteger(0, TableOptions.MostShards) },
                "segment_size" => chosen with { SegmentSize = option.AsSize() },
                "create" => chosen with { Create = option.AsBool() },
                "version" => chosen with { Version = option.AsInteger(0, long.MaxValue) },
                "fall_back" => chosen with { FallsBack = option.AsBool() },
                "check_all" => chosen with { ChecksAll = option.AsBool() },
                "keep" => chosen with { Keep = (int)option.AsInteger(0, int.MaxValue) },
                "admit_after" => chosen with { AdmitAfter = (int)option.AsInteger(0, ushort.MaxValue) },
                "ttl" => chosen with { TimeToLive = option.AsInteger(0, uint.MaxValue) },
                "take_all" => chosen with { TakesAll = option.AsBool() },
                _ => throw option.Unknown(Known),
            };
        }
        return chosen with { Initializer = chosen.Initializer with { Seed = seed } };
    }

    static RowType AsType(NamedOption option) =>
        option.AsChoice("f4", "f2", "bf16") switch { "f2" => RowType.Float16, "bf16" => RowType.BFloat16, _ => RowType.Float32 };

    static Optimizer AsOptimizer(NamedOption given)
    {
        var chosen = new Optimizer();
        foreach (var option in OptionReader.Read(given.Value, given.Uri))
        {
            chosen = option.Name switch
            {
                "rule" => chosen with { Rule = AsRule(option) },
                "learning_rate" => chosen with { LearningRate = option.AsFloat() },
                "momentum" => chosen with { Momentum = option.AsFloat() },
                "beta1" => chosen with { Beta1 = option.AsFloat() },
                "beta2" => chosen with { Beta2 = option.AsFloat() },
                "epsilon" => chosen with { Epsilon = option.AsFloat() },
                "weight_decay" => chosen with { WeightDecay = option.AsFloat() },
                "initial_sum" => chosen with { InitialSum = option.AsFloat() },
                "rate_decay" => chosen with { RateDecay = option.AsFloat() },
                "clip_norm" => chosen with { ClipNorm = option.AsFloat() },
                "clip_value" => chosen with { ClipValue = option.AsFloat() },
                _ => throw option.Unknown(KnownOptimizer),
            };
        }
        return chosen;
    }

    static UpdateRule AsRule(NamedOption option) => option.AsChoice(
        "add", "sgd", "adagrad", "rowwise_adagrad", "adam", "rowwise_adam") switch
    {
        "add" => UpdateRule.Add,
        "adagrad" => UpdateRule.Adagrad,
        "rowwise_adagrad" => UpdateRule.RowwiseAdagrad,
        "adam" => UpdateRule.Adam,
        "rowwise_adam" => UpdateRule.RowwiseAdam,
        _ => UpdateRule.Sgd,
    };

    static Initializer AsInitializer(NamedOption given)
    {
        var chosen = new Initializer();
        foreach (var option in OptionReader.Read(given.Value, given.Uri))
        {
            chosen = option.Name switch
            {
                "rows" => chosen with { Rows = AsRows(option) },
                "low" => chosen with { Low = option.AsFloat() },
                "high" => chosen with { High = option.AsFloat() },
                _ => throw option.Unknown(KnownInitial),
            };
        }
        return chosen;
    }

    static InitialRows AsRows(NamedOption option) => option.AsChoice("zeros", "constant", "uniform", "normal") switch
    {
        "constant" => InitialRows.Constant,
        "uniform" => InitialRows.Uniform,
        "normal" => InitialRows.Normal,
        _ => InitialRows.Zeros,
    };

    static readonly string[] KnownEviction = ["older_than", "older_than_seconds", "fewer_than", "smaller_than", "most_rows", "most_bytes",
        "keys"];

    /// <summary>What is deleted by an eviction, and whether its keys are wanted.</summary>
    public static (EvictRule Rule, bool WantsKeys) ReadEviction(string json, string uri)
    {
        bool wantsKeys = false;
        var chosen = new EvictRule();
        foreach (var option in OptionReader.Read(json, uri))
        {
            if (option.Name == "keys")
            {
                wantsKeys = option.AsBool();
                continue;
            }
            chosen = option.Name switch
            {
                "older_than" => chosen with { OlderThanSteps = option.AsInteger(0, long.MaxValue) },
                "older_than_seconds" => chosen with { OlderThanSeconds = option.AsInteger(0, uint.MaxValue) },
                "fewer_than" => chosen with { FewerThan = (int)option.AsInteger(0, int.MaxValue) },
                "smaller_than" => chosen with { SmallerThan = option.AsFloat() },
                "most_rows" => chosen with { MostRows = option.AsInteger(0, long.MaxValue) },
                "most_bytes" => chosen with { MostBytes = option.AsSize() },
                _ => throw option.Unknown(KnownEviction),
            };
        }
        return (chosen, wantsKeys);
    }
}
