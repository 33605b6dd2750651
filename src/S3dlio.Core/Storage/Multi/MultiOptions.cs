namespace S3dlio.Storage.Multi;

/// <summary>How one of several endpoints is chosen for a call that any may take.</summary>
public enum EndpointStrategy
{
    /// <summary>One after the other.</summary>
    RoundRobin,
    /// <summary>The one with the fewest calls under way.</summary>
    LeastConnections,
}

/// <summary>The options of a store of several endpoints, with their defaults.</summary>
public sealed record MultiOptions
{
    public static readonly string[] Names = ["endpoints", "strategy", "replicas", "endpoint_cooldown"];

    /// <summary>The original's limit; a listing of separate endpoints holds a page of each.</summary>
    public const int MostEndpoints = 32;

    /// <summary>
    /// Attempts of an endpoint's own where the options say nothing: another endpoint is the better place for a fourth.
    /// </summary>
    public const int Attempts = 3;

    public EndpointStrategy Strategy { get; init; }

    /// <summary>
    /// True: all endpoints show the same objects, so any may take any call. False: each has its own, and a key is read where it was
    /// written. Wrongly false costs requests; wrongly true loses sight of objects. So false is the default.
    /// </summary>
    public bool Replicas { get; init; }

    /// <summary>
    /// How long an endpoint that failed is passed over while others answer. 10 s: a gateway's restart takes about that, and one wasted
    /// attempt in ten seconds is not noticed.
    /// </summary>
    public TimeSpan Cooldown { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>These options with one more of them set, or null when it is none of these.</summary>
    public MultiOptions? With(NamedOption option) => option.Name switch
    {
        "strategy" => this with
        {
            Strategy = option.AsChoice("round_robin", "least_connections") == "round_robin"
                ? EndpointStrategy.RoundRobin
                : EndpointStrategy.LeastConnections
        },
        "replicas" => this with { Replicas = option.AsBool() },
        "endpoint_cooldown" => this with { Cooldown = option.AsSeconds() },
        _ => null,
    };
}
