from setuptools import find_packages, setup

PACKAGE = "vnb_hardware"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"": ["py.typed", "**/*.yaml", "**/*.json", "**/*.pt", "**/*.npz", "**/*.xml", "**/*.html"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + PACKAGE]),
        ("share/" + PACKAGE, ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="VNB maintainers",
    maintainer_email="maintainers@vnb.invalid",
    description="Hardware: drivers of hand, arm and cameras, their emulators and their supervision.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "hand_driver_node = vnb_hardware.nodes.hand_driver_node:main",
            "arm_driver_node = vnb_hardware.nodes.arm_driver_node:main",
            "camera_driver_node = vnb_hardware.nodes.camera_driver_node:main",
            "decision_node = vnb_hardware.nodes.decision_node:main",
            "supervisor_node = vnb_hardware.nodes.supervisor_node:main",
        ],
    },
)
