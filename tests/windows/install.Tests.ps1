# Pester 5: install.ps1 run for real, each time in a PowerShell of its own, of the kind that Pester runs in. A planner is there
# only as a double, which tells what it was given; Install.Tests.ps1's neighbour tests/windows/test_*.py does whole installs.

BeforeDiscovery {
    $OnWindows = [Environment]::OSVersion.Platform -eq 'Win32NT'
    $HasPython = $OnWindows -and $null -ne (Get-Command python.exe -ErrorAction SilentlyContinue)
}

BeforeAll {
    $Text = [IO.File]::ReadAllText((Resolve-Path ([IO.Path]::Combine($PSScriptRoot, '..', '..', 'install.ps1'))).ProviderPath)
    $Shell = (Get-Process -Id $PID).Path

    # Runs lines in a PowerShell of its own; what it says on stderr goes into a file, as 5.1 makes errors of it otherwise.
    function Invoke-Lines([string]$Lines, [hashtable]$Environ = @{}) {
        $file = Join-Path $TestDrive 'lines.ps1'
        [IO.File]::WriteAllText($file, $Lines)
        return Invoke-Shell @('-File', $file) $Environ
    }

    # A copy, beside which there is no checkout.
    $Script = Join-Path $TestDrive 'install.ps1'
    [IO.File]::WriteAllText($Script, $Text)

    function Invoke-Script([string[]]$Words, [hashtable]$Environ = @{}) { return Invoke-Shell (@('-File', $Script) + $Words) $Environ }

    function Invoke-Shell([string[]]$Words, [hashtable]$Environ = @{}) {
        $ErrorActionPreference = 'Continue'
        $errors = Join-Path $TestDrive 'stderr.txt'
        $before = @{}
        foreach ($name in $Environ.Keys) {
            $before[$name] = [Environment]::GetEnvironmentVariable($name)
            Set-Item "env:$name" $Environ[$name]
        }
        try {
            $said = & $Shell -NoProfile -ExecutionPolicy Bypass @Words 2>$errors
            $code = $LASTEXITCODE
        } finally {
            foreach ($name in $before.Keys) {
                if ($null -eq $before[$name]) { Remove-Item "env:$name" -ErrorAction SilentlyContinue } else { Set-Item "env:$name" $before[$name] }
            }
        }
        return @{ Code = $code; Said = (@($said) -join "`n"); Told = "$([IO.File]::ReadAllText($errors))" }
    }

    # A checkout whose planner is the double.
    function New-Double {
        $folder = Join-Path $TestDrive "double $([IO.Path]::GetRandomFileName())"
        $inside = [IO.Path]::Combine($folder, 'bootstrap', 'imjoy', 'provision')
        [void][IO.Directory]::CreateDirectory($inside)
        Copy-Item (Join-Path $PSScriptRoot 'planner_double.py') (Join-Path $inside 'main.py')
        Copy-Item ([IO.Path]::Combine($PSScriptRoot, '..', '..', 'bootstrap', 'imjoy', 'provision', 'from_script.py')) $inside
        foreach ($each in $inside, (Split-Path -Parent $inside)) { [IO.File]::WriteAllText((Join-Path $each '__init__.py'), '') }
        return $folder
    }

    # What a profile may have set.
    $Profiles = @(
        'Set-StrictMode -Version Latest', '$ErrorActionPreference = "Stop"', '$PSNativeCommandUseErrorActionPreference = $true'
        '$PSNativeCommandArgumentPassing = "Legacy"', '$OFS = "+"', '$PSDefaultParameterValues = @{ "Test-Path:PathType" = "Container"; "Write-Output:NoEnumerate" = $true }'
    ) -join "`n"
    $Session = "`$text = [IO.File]::ReadAllText('$Script')"
}

Describe 'what it says of itself' {
    It 'is its version and its help' {
        (Invoke-Script @('-Version')).Said | Should -Match '^imjoy \d'
        (Invoke-Script @('-Help')).Said | Should -Match '(?s)-DryRun .*docs/install\.md'
    }

    It 'is that something was typed wrong: <words>' -ForEach @(
        @{ words = '-Nope' }, @{ words = 'uninstall' }, @{ words = '-Prefix' }, @{ words = '-V' }, @{ words = '-Start -Portt 9000' }, @{ words = '-Sha256' }
    ) {
        $done = Invoke-Script (@('-Json') + ($words -split ' '))
        $done.Code | Should -Be 2
        ($done.Said | ConvertFrom-Json).error.id | Should -Be 'usage.wrong'
        $done.Told | Should -Match '^error: \S+ (is not an option|needs a value|could be -Verbose or -Version)'
    }

    It 'is one ASCII document, whatever was typed' {
        $done = Invoke-Script @("-gr$([char]0xfc)$([char]0xdf)e", '-Json')
        $done.Said | Should -Match '^[\x20-\x7e]+$'
        ($done.Said | ConvertFrom-Json).error.what | Should -Be "-gr$([char]0xfc)$([char]0xdf)e is not an option"
    }

    It 'is, in Constrained Language Mode, that it can do nothing there, and what can be done' {
        $constrained = '$ExecutionContext.SessionState.LanguageMode = "ConstrainedLanguage"'
        $done = Invoke-Lines "$constrained`n& '$Script' -Yes"
        $done.Said | Should -Match 'Constrained Language Mode'
        $done.Said | Should -Match 'py -3 -m pip install https://'
        $done = Invoke-Lines "$constrained`n& '$Script' -Json`nexit `$LASTEXITCODE"
        ($done.Said | ConvertFrom-Json).error.id | Should -Be 'host.powershell'
        $done.Code | Should -Be 3
    }

    It 'names another system by its own script' -Skip:($OnWindows) {
        $done = Invoke-Script @('-Json')
        $done.Code | Should -Be 3
        ($done.Said | ConvertFrom-Json).error.fix | Should -Match 'install.sh'
    }
}

Describe 'a copy that was cut off' {
    It 'does nothing, wherever it was cut' {
        $whole = $null
        $broken = $null
        $length = $Text.TrimEnd().Length
        foreach ($at in @(1..[int][Math]::Floor($length / 97) | ForEach-Object { 97 * $_ }) + @(($length - 40)..($length - 1))) {
            $tree = [Management.Automation.Language.Parser]::ParseInput($Text.Substring(0, $at), [ref]$whole, [ref]$broken)
            if ($broken.Count -eq 0 -and $tree.EndBlock.Statements.Count -gt 0) {
                & ([scriptblock]::Create($Text.Substring(0, $at))) -Version | Should -BeNullOrEmpty -Because "cut off at $at"
            }
        }
    }
}

Describe 'the session that it was piped into' {
    It 'goes on, with the exit code at hand and nothing of ours in it' {
        $done = Invoke-Lines @"
$Profiles
$Session
`$kinds = 'variable:', 'function:', 'env:'
`$kind = `$name = `$before = `$null
`$before = @(Get-ChildItem `$kinds | ForEach-Object { "`$(`$_.PSProvider) `$(`$_.Name)" })
`$text + ' ' | Invoke-Expression | Out-Null
"still here `$LASTEXITCODE"
Get-ChildItem `$kinds | ForEach-Object { "`$(`$_.PSProvider) `$(`$_.Name)" } | Where-Object { `$_ -notin `$before -and `$_ -notmatch 'LASTEXITCODE' }
`$ErrorActionPreference, `$OFS
"@ @{ IMJOY_MIRROR = 'http://127.0.0.1:9'; HTTPS_PROXY = 'http://127.0.0.1:9' }
        $lines = @($done.Said -split "`n")
        $lines[0] | Should -Match '^still here [34]$' -Because $done.Told
        $lines[1..2] | Should -Be @('Stop', '+')
        $lines.Count | Should -Be 3 -Because $done.Said
    }

    It 'has each variable as before, also what an install must not see' {
        $environ = @{ PYLAUNCHER_ALLOW_INSTALL = '1'; IMJOY_DOOR_SOURCE = 'mine'; HTTPS_PROXY = 'http://127.0.0.1:9'; IMJOY_MIRROR = 'http://127.0.0.1:9' }
        $done = Invoke-Lines "$Session`n`$text | Invoke-Expression | Out-Null`n`$env:PYLAUNCHER_ALLOW_INSTALL, `$env:IMJOY_DOOR_SOURCE, `$env:HTTPS_PROXY" $environ
        $done.Said | Should -Be "1`nmine`nhttp://127.0.0.1:9" -Because $done.Told
    }

    It 'never has its variables listed, which Windows PowerShell 5.1 cannot do where names differ in case alone' {
        $Text | Should -Not -Match "'env:|\benv:\w*\*"
    }

    It 'gets its words by way of a script block' {
        (Invoke-Lines "$Session`n& ([scriptblock]::Create(`$text)) -Version").Said | Should -Match '^imjoy \d'
    }
}

Describe 'a download' -Skip:($OnWindows) {
    BeforeAll {
        # The function alone, with doubles of curl.exe, which are shell scripts.
        $whole = $null
        $broken = $null
        $tree = [Management.Automation.Language.Parser]::ParseInput($Text, [ref]$whole, [ref]$broken)
        $function = $tree.Find({ param($node) $node -is [Management.Automation.Language.FunctionDefinitionAst] -and $node.Name -eq 'Get-File' }, $true)
        . ([scriptblock]::Create($function.Extent.Text))
        $Install = @{ Given = @{ Quiet = $true } }
        $ConnectSeconds, $StallSeconds, $DownloadAttempts = 1, 1, 4
        $PathBefore = $env:PATH

        function Set-Curl([string]$Lines) {
            $folder = Join-Path $TestDrive ([IO.Path]::GetRandomFileName())
            [void][IO.Directory]::CreateDirectory($folder)
            $file = Join-Path $folder 'curl.exe'
            [IO.File]::WriteAllText($file, "#!/bin/sh`
echo `"`$*`" >>'$folder/asked'`
$Lines`
")
            & chmod +x $file
            $env:PATH = "${folder}:$PathBefore"
            return "$folder/asked"
        }
    }

    AfterAll { $env:PATH = $PathBefore }

    It 'is tried again where it broke, without whether a certificate was revoked where that cannot be asked' {
        $asked = Set-Curl 'case "$*" in *--ssl-revoke-best-effort*) exit 0 ;; *) exit 35 ;; esac'
        Get-File 'https://host/file' (Join-Path $TestDrive 'file') | Should -BeNullOrEmpty
        $lines = @(Get-Content $asked)
        $lines.Count | Should -Be 2
        $lines[1] | Should -Match '--ssl-revoke-best-effort .*--proto =https .*--continue-at - '
    }

    It 'begins anew where the server cannot go on' {
        $target = Join-Path $TestDrive 'half'
        [IO.File]::WriteAllText($target, 'half')
        $null = Set-Curl "[ -e '$target' ] && exit 33; exit 0"
        Get-File 'https://host/file' $target | Should -BeNullOrEmpty
    }

    It 'goes by what Windows knows of proxies where curl finds no way, and says why that fails, too' {
        $asked = Set-Curl 'exit 6'
        Get-File 'http://127.0.0.1:9/file' (Join-Path $TestDrive 'file') | Should -Match 'refused|127\.0\.0\.1'
        @(Get-Content $asked).Count | Should -Be 1
    }
}

Describe 'what is handed over' -Skip:(-not $HasPython) {
    BeforeAll { $Double = New-Double }

    It 'is every word as it was typed, by way of a file' {
        $folder = "C:\Users\J$([char]0xf6)rg M$([char]0xfc)ller\"
        $done = Invoke-Script @('-From', $Double, '-Prefix', $folder, '-ModifyPath', '-Dry', '-Start', '--', '--port', '9000', 'a"b', '-Prefix')
        $told = $done.Said | ConvertFrom-Json
        $told.verb | Should -Be @('install')
        $told.typed | Should -Be @('--prefix', $folder, '--from', $Double, '--modify-path', '--start', '--dry-run', '--', '--port', '9000', 'a"b', '-Prefix')
        $done.Code | Should -Be 9
        $told.place | Should -Be (Join-Path $Double 'bootstrap')
        $told.isolated | Should -BeTrue
        $told.asks_for_installs | Should -Be '0'
        $told.handed.IMJOY_DOOR | Should -Be 'install.ps1'
        Test-Path -LiteralPath $told.handed.IMJOY_DOOR_FOLDER | Should -BeFalse
    }

    It 'is the same out of a session with a difficult profile, and what is said can be caught' {
        $done = Invoke-Lines @"
$Profiles
`$said = & '$Script' -From '$Double' -Start -- --port 9000 *>&1
`$code = `$LASTEXITCODE
`$said | Where-Object { "`$_" -like '{*' }
"code `$code, `$(@(`$said | Where-Object { "`$_" -match 'said on stderr' }).Count) of stderr"
"@
        $lines = @($done.Said -split "`n")
        ($lines[0] | ConvertFrom-Json).typed | Should -Be @('--from', $Double, '--start', '--', '--port', '9000') -Because $done.Told
        $lines[-1] | Should -Be 'code 9, 1 of stderr'
    }

    It 'takes a value behind an equals sign, as the planner does' {
        $told = (Invoke-Script @('--prefix=C:\a=b', '--from', $Double)).Said | ConvertFrom-Json
        $told.typed | Should -Be @('--prefix', 'C:\a=b', '--from', $Double)
        ((Invoke-Script @('--json', '--quiet=1')).Said | ConvertFrom-Json).error.id | Should -Be 'usage.wrong'
    }

    It 'is what an old Python has unpacked' {
        $unpacked = @{ IMJOY_DOOR = 'python'; IMJOY_DOOR_SOURCE = 'C:\up'; IMJOY_DOOR_ARCHIVE = 'C:\up.zip' }
        $told = (Invoke-Script @('--help', '--from', $Double) $unpacked).Said | ConvertFrom-Json
        foreach ($name in $unpacked.Keys) { $told.handed.$name | Should -Be $unpacked[$name] }
        $told = (Invoke-Script @('-From', $Double) @{ IMJOY_DOOR_SOURCE = 'C:\up' }).Said | ConvertFrom-Json
        $told.handed.PSObject.Properties['IMJOY_DOOR_SOURCE'] | Should -BeNullOrEmpty
    }

    It 'is that nobody can be asked' {
        $done = Invoke-Shell @('-NonInteractive', '-File', $Script, '-From', $Double)
        ($done.Said | ConvertFrom-Json).handed.IMJOY_DOOR_NONINTERACTIVE | Should -Be '1'
    }

    It 'lies in another folder where TEMP names none that is there' {
        $done = Invoke-Script @('-From', $Double) @{ TEMP = 'Q:\none'; TMP = 'Q:\none' }
        ($done.Said | ConvertFrom-Json).handed.IMJOY_DOOR_FOLDER | Should -Not -Match '^Q:' -Because $done.Told
    }

    It 'is a wheel as it is' {
        $wheel = Join-Path $TestDrive 'imjoy-1-py3-none-any.whl'
        Add-Type -AssemblyName System.IO.Compression.FileSystem
        [IO.Compression.ZipFile]::CreateFromDirectory((Join-Path $Double 'bootstrap'), $wheel)
        ((Invoke-Script @('-From', $wheel)).Said | ConvertFrom-Json).place | Should -Be $wheel
        ((Invoke-Script @('-Offline', $TestDrive)).Said | ConvertFrom-Json).place | Should -Be $wheel
    }

    It 'is the same to a planner that is older than this script' {
        $old = New-Double
        Remove-Item ([IO.Path]::Combine($old, 'bootstrap', 'imjoy', 'provision', 'from_script.py'))
        $done = Invoke-Script @('-From', $old, '-Yes')
        ($done.Said | ConvertFrom-Json).typed | Should -Be @('--from', $old, '--yes')
        $done.Code | Should -Be 9
    }

    It 'is why the source cannot be had, by way of the imjoy that is installed' {
        $prefix = Join-Path $TestDrive 'installed'
        [void][IO.Directory]::CreateDirectory((Join-Path $prefix 'Lib'))
        Copy-Item -Recurse (Join-Path $Double 'bootstrap') ([IO.Path]::Combine($prefix, 'Lib', 'site-packages'))
        $told = (Invoke-Script @('-Prefix', $prefix, '-From', 'git+https://me@127.0.0.1:9/a/b@feature/new')).Said | ConvertFrom-Json
        $told.place | Should -Be ([IO.Path]::Combine($prefix, 'Lib', 'site-packages'))
        $told.handed.IMJOY_DOOR_UNREACHABLE | Should -Not -BeNullOrEmpty
    }

    It 'is no folder of the drive where it is piped into a session, which has none of its own' {
        $prefix = Join-Path $TestDrive 'never'
        $done = Invoke-Lines @"
`$null = New-PSDrive -Name Root -PSProvider FileSystem -Root '$Double'
Set-Location Root:\
$Session
& ([scriptblock]::Create(`$text)) -Json -Prefix '$prefix' -From git+https://127.0.0.1:9/a/b
"@
        ($done.Said | ConvertFrom-Json).error.id | Should -Be 'network.source' -Because $done.Told
    }

    It 'is nothing where there is no source at all' {
        $words = @('-Json', '-Prefix', (Join-Path $TestDrive 'new'), '-From')
        $done = Invoke-Script ($words + 'nowhere.whl')
        $done.Code | Should -Be 3
        ($done.Said | ConvertFrom-Json).error.id | Should -Be 'source.missing'
        $old = Join-Path $TestDrive 'old-1-py3-none-any.whl'
        [IO.File]::WriteAllText($old, '')
        $done = Invoke-Script ($words + $old)
        $done.Code | Should -Be 3
        ($done.Said | ConvertFrom-Json).error.id | Should -Be 'source.not_imjoy'
        $done = Invoke-Script ($words + 'git+https://me@127.0.0.1:9/a/b@feature/new')
        $done.Code | Should -Be 4
        ($done.Said | ConvertFrom-Json).error.what | Should -Match '^https://127\.0\.0\.1:9/a/b@feature/new cannot be reached'
    }
}

Describe 'a Python' -Skip:(-not $HasPython) {
    BeforeAll {
        $Double = New-Double
        $Here = Split-Path -Parent (Get-Command python.exe | Select-Object -First 1).Path
    }

    It 'is passed over when it is the stub of the Store, or does not start in time, which is told' {
        $stub = Join-Path $TestDrive 'WindowsApps'
        [void][IO.Directory]::CreateDirectory($stub)
        [IO.File]::WriteAllText((Join-Path $stub 'python.exe'), '')
        $slow = Join-Path $TestDrive "J$([char]0xf6)rg M$([char]0xfc)ller"
        & python.exe -m venv --without-pip $slow
        [IO.File]::WriteAllText((Join-Path $slow 'Lib\site-packages\slow.pth'), "import time; time.sleep(60)`n")
        $done = Invoke-Script @('-From', $Double) @{ PATH = "$stub;$slow\Scripts;$Here;$env:SystemRoot\System32" }
        $told = $done.Said | ConvertFrom-Json
        $told.python | Should -Be (Join-Path $Here 'python.exe')
        $told.notices | Should -Be @("$slow\Scripts\python.exe did not start within 5 seconds")
    }

    It 'may lie in a folder with blanks and umlauts' {
        $folder = Join-Path $TestDrive "J$([char]0xf6)rg Schr$([char]0xf6)der"
        & python.exe -m venv --without-pip $folder
        $done = Invoke-Script @('-From', $Double) @{ PATH = "$folder\Scripts;$env:SystemRoot\System32" }
        ($done.Said | ConvertFrom-Json).python | Should -Be (Join-Path $folder 'Scripts\python.exe')
    }
}
