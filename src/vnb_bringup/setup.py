from glob import glob

from setuptools import find_packages, setup

PACKAGE = "vnb_bringup"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"": ["py.typed", "**/*.yaml", "**/*.json", "**/*.pt", "**/*.npz", "**/*.xml", "**/*.html"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + PACKAGE]),
        ("share/" + PACKAGE, ["package.xml"]),
        ("share/" + PACKAGE + "/launch", glob("../../launch/*.launch.py")),
        ("share/" + PACKAGE + "/config", glob("../../config/*.*")),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="VNB maintainers",
    maintainer_email="maintainers@vnb.invalid",
    description="The vnb command line, the composition of all nodes in one process, launch files and parameters.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "vnb = vnb_bringup.cli:main",
            "trial_node = vnb_bringup.graph.trial_node:main",
            "recorder_node = vnb_bringup.bags.nodes.recorder_node:main",
            "visualization_node = vnb_bringup.view.nodes.visualization_node:main",
        ],
    },
)
