using S3dlio.Storage;

namespace S3dlio.Cli.Addresses;

/// <summary>Plain paths, as the kernel walks them.</summary>
static class LocalPaths
{
    /// <summary>The absolute path: <c>..</c> behind a link leaves the link's target, not its name. A slash at the end stays.</summary>
    public static string Absolute(string path)
    {
        // refuses what lost a slash, NUL and the empty address
        _ = StoreUri.Parse(path);
        string whole = path.StartsWith('/') ? path : Environment.CurrentDirectory + "/" + path;
        var names = new List<string>();
        foreach (string name in whole.Split('/'))
        {
            if (name is "" or ".")
                continue;
            if (name != "..")
                names.Add(name);
            else if (names.Count > 0)
            {
                string here = "/" + string.Join('/', names);
                string real = Directory.ResolveLinkTarget(here, returnFinalTarget: true)?.FullName ?? here;
                names.Clear();
                names.AddRange(real.Split('/', StringSplitOptions.RemoveEmptyEntries));
                if (names.Count > 0)
                    names.RemoveAt(names.Count - 1);
            }
        }
        string plain = "/" + string.Join('/', names);
        return path.EndsWith('/') && names.Count > 0 ? plain + "/" : plain;
    }
}
